//! Lists of keys: whose, and which is newer.

use crate::scene::{MINUTE, Scene};
use crate::signed::{IT, STRANGER, key_of, list, public, verdict};
use scanward::outcome::Priority;
use scanward::wire::{Decision, RefusedCode};

#[test]
fn a_list_of_keys_counts_when_it_signed_it_and_it_is_newer() {
    let mut scene = Scene::new();
    let id = scene.open(1, Priority::Urgent);
    assert_eq!(
        scene.refusal(&verdict(&id, Decision::Confirm, 1)),
        Some(RefusedCode::UnknownKey)
    );
    let counter = |scene: &Scene| scene.review.tally().keys_counter;

    scene.keys(&list(3, IT));
    assert_eq!(counter(&scene), 3);
    let refused = scene.review.tally().refused;
    scene.keys(&list(3, IT));
    assert_eq!(
        scene.review.tally().refused,
        refused,
        "the very same list is no fault"
    );

    let mut emptied = list(3, IT);
    emptied.keys.clear();
    scene.keys(&emptied.signed(&key_of(IT)).unwrap());
    scene.keys(&list(2, IT));
    scene.keys(&list(4, STRANGER));
    assert_eq!(scene.review.tally().refused, refused + 3);
    assert_eq!(counter(&scene), 3);
    assert_eq!(scene.refusal(&verdict(&id, Decision::Confirm, 1)), None);

    scene.restart(MINUTE, 0);
    assert_eq!(counter(&scene), 3, "kept over a restart");
    assert_eq!(scene.refusal(&verdict(&id, Decision::Reject, 2)), None);
    scene.keys(&list(2, IT));
    assert_eq!(counter(&scene), 3);

    let mut revoked = list(4, IT);
    revoked.keys[0].revoked_at = Some("2026-11-23T00:00:00.000Z".to_owned());
    scene.keys(&revoked.signed(&key_of(IT)).unwrap());
    assert_eq!(
        scene.refusal(&verdict(&id, Decision::Confirm, 3)),
        Some(RefusedCode::RevokedKey)
    );
}

#[test]
fn a_list_that_the_settings_trust_no_longer_leaves_no_keys_but_its_counter() {
    let mut scene = Scene::with_keys();
    let id = scene.open(1, Priority::Urgent);
    scene.limits.it_keys = vec![public(STRANGER)];
    scene.restart(MINUTE, 0);
    assert_eq!(
        scene.refusal(&verdict(&id, Decision::Confirm, 1)),
        Some(RefusedCode::UnknownKey)
    );
    scene.keys(&list(1, STRANGER));
    assert_eq!(scene.review.tally().keys_counter, 1);
    assert_eq!(
        scene.refusal(&verdict(&id, Decision::Confirm, 1)),
        Some(RefusedCode::UnknownKey)
    );
    scene.keys(&list(2, STRANGER));
    assert_eq!(scene.refusal(&verdict(&id, Decision::Confirm, 1)), None);
}
