# Each recipe is one line; scripts/test runs the lot.

check:
    cargo fmt --check && cargo clippy --all-targets -- -D warnings && cargo test --test house

test *ARGS:
    cargo test --all-targets {{ARGS}}

sweep:
    cargo test --all-targets -- cut sweep

golden:
    UPDATE_GOLDEN=1 cargo test golden

stats:
    cargo clippy --all-targets -- -W clippy::too_many_lines

doc:
    cargo doc --no-deps --document-private-items

demo *ARGS:
    scripts/demo {{ARGS}}
