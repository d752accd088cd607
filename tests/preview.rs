//! The preview picture, looked at from outside: decoded PNG only.
//!
//! `SCANWARD_PREVIEW_FOLDER=DIR cargo test --test preview` leaves the pictures there to be looked at.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside #[test] functions stop at the first thing that fails"
)]

use scanward::lung::{LungLimits, LungMask, segment};
use scanward::phantom::{Phantom, PhantomSpec, VoxelTruth};
use scanward::preview::{Caption, Outlines, PICTURE_BYTES_MAX, picture};
use scanward::series::{SeriesLimits, SliceGeometry, gate};
use scanward::units::{Millilitre, Spacing};
use scanward::volume::{
    Grid3, HISTOGRAM_BINS, ReducedSlice, Region, Volume, VolumeLimits, reduce, stack,
};
use std::collections::BTreeSet;
use std::sync::OnceLock;

const OUTLINE: [u8; 3] = [255, 96, 0];
const WHITE: [u8; 3] = [255, 255, 255];

#[test]
fn a_phantom_is_shown_with_its_lesions_outlined() {
    let shown = phantom(12).picture(Outlines::Shown).unwrap();
    keep("shown.png", &shown);
    assert!(shown.len() <= PICTURE_BYTES_MAX, "{} bytes", shown.len());
    let shown = Picture::read(&shown);
    assert!(shown.places(OUTLINE).len() > 200);
    assert!(shown.width >= 800);
}

#[test]
fn hidden_outlines_leave_no_trace_of_their_colour() {
    let hidden = phantom(12).picture(Outlines::Hidden).unwrap();
    keep("hidden.png", &hidden);
    assert!(hidden.len() <= PICTURE_BYTES_MAX, "{} bytes", hidden.len());
    let hidden = Picture::read(&hidden);
    let greys = |rgb: &[u8]| rgb[0] == rgb[1] && rgb[1] == rgb[2];
    assert!(hidden.palette.chunks_exact(3).all(greys));
    assert!(hidden.pixels.iter().all(|rgb| greys(rgb)));
}

#[test]
fn a_chest_without_lesions_is_shown_without_outlines() {
    let healthy = phantom(0).picture(Outlines::Shown).unwrap();
    keep("healthy.png", &healthy);
    let healthy = Picture::read(&healthy);
    assert!(healthy.width >= 800);
    assert!(healthy.places(OUTLINE).is_empty());
}

#[test]
fn the_same_chest_gives_the_same_bytes() {
    let chest = phantom(12);
    assert_eq!(
        chest.picture(Outlines::Shown),
        chest.picture(Outlines::Shown)
    );
}

#[test]
fn nothing_but_the_pixels_is_in_the_file() {
    let png = phantom(12).picture(Outlines::Shown).unwrap();
    let mut kinds = BTreeSet::new();
    let mut rest = png.get(8..).unwrap();
    while let [a, b, c, d, chunk @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        kinds.insert(String::from_utf8_lossy(&chunk[..4]).into_owned());
        rest = &chunk[4 + length + 4..];
    }
    assert_eq!(Vec::from_iter(kinds), ["IDAT", "IEND", "IHDR", "PLTE"]);
}

#[test]
fn the_patients_right_is_on_the_left_the_front_and_the_head_on_top() {
    // A lesion of 56 mm in the patient's right, front, top.
    let mut chest = Chest::flat([100, 128, 128], -1000);
    chest.lesion_box([70, 10, 10], [20, 20, 20]);
    let picture = Picture::read(&chest.picture(Outlines::Shown).unwrap());
    let (rights, lefts) = (picture.find(LETTER_R), picture.find(LETTER_L));
    let ([axial_right, coronal_right], [axial_left, coronal_left]) = (&rights[..], &lefts[..])
    else {
        panic!("R at {rights:?}, L at {lefts:?}")
    };
    for ([right, middle], [left, _]) in
        [(*axial_right, *axial_left), (*coronal_right, *coronal_left)]
    {
        let outline = picture.places(OUTLINE).into_iter();
        let here: Vec<_> = outline
            .filter(|[x, y]| (right..left).contains(x) && *y < 500)
            .collect();
        assert!(here.len() > 200, "{}", here.len());
        assert!(here.iter().all(|[x, _]| *x < (right + left) / 2));
        assert!(here.iter().all(|[_, y]| *y < middle));
    }
}

#[test]
fn the_bar_is_ten_centimetres_of_the_picture() {
    let mut chest = Chest::flat([100, 128, 128], -1000);
    chest.lesion_box([70, 10, 10], [20, 20, 20]);
    let picture = Picture::read(&chest.picture(Outlines::Shown).unwrap());
    let outline = picture.places(OUTLINE).into_iter();
    let axial: Vec<usize> = outline
        .filter(|[x, y]| *x < picture.width / 2 && *y < picture.height - 40)
        .map(|[x, _]| x)
        .collect();
    let lesion = axial.iter().max().unwrap() - axial.iter().min().unwrap();
    let bar = picture.longest_white_run();
    let lesion_mm = 100.0 * lesion as f64 / bar as f64;
    assert!((lesion_mm - 56.0).abs() < 2.0, "{lesion_mm} mm");
}

#[test]
fn the_model_is_named_in_the_last_line_and_nowhere_else() {
    let chest = phantom(12);
    let by = |model| Picture::read(&chest.picture_by(model, Outlines::Shown).unwrap());
    let (one, other) = (by("covid-ct 1.1.0"), by("covid-ct 1.2.0"));
    let differ: BTreeSet<usize> = (0..one.pixels.len())
        .filter(|at| one.pixels[*at] != other.pixels[*at])
        .map(|at| at / one.width)
        .collect();
    let line = one.height - 26..one.height - 10;
    assert!(!differ.is_empty());
    assert!(
        differ.iter().all(|row| line.contains(row)),
        "{differ:?}, {line:?}"
    );
    // A name of any length changes neither the size nor the margin.
    let long = by(&"a very long name of a network ".repeat(40));
    assert_eq!((long.width, long.height), (one.width, one.height));
    let margin = long.width - 12..long.width;
    assert!(
        line.clone()
            .all(|y| margin.clone().all(|x| long.at(x, y) == long.at(0, 0)))
    );
}

#[test]
fn hidden_outlines_leave_the_words_the_same_with_and_without_lesion() {
    let sick = phantom(12);
    let healthy = Chest {
        volume: sick.volume.clone(),
        lung: sick.lung.clone(),
        lesion: Grid3::filled(sick.volume.hu.shape(), 0),
    };
    let last_line = |chest: &Chest| {
        let picture = Picture::read(&chest.picture(Outlines::Hidden).unwrap());
        let rows = picture.height - 26..picture.height;
        let words = rows.flat_map(|y| (0..500).map(move |x| [x, y]));
        words.map(|[x, y]| picture.at(x, y)).collect::<Vec<_>>()
    };
    assert!(last_line(sick) == last_line(&healthy));
}

#[test]
fn a_picture_of_noise_keeps_the_bound() {
    let mut chest = Chest::flat([220, 180, 180], 0);
    let mut state = 1_u32;
    for hu in chest.volume.hu.values_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *hu = i16::try_from(state >> 20).unwrap() - 2048;
    }
    let noise = chest.picture(Outlines::Shown).unwrap();
    keep("noise.png", &noise);
    assert!(noise.len() <= PICTURE_BYTES_MAX, "{} bytes", noise.len());
}

#[test]
fn volumes_of_odd_shape_are_shown_too() {
    for shape in [
        [1, 1, 1],
        [1, 128, 128],
        [600, 1, 1],
        [1, 1, 3000],
        [2, 3, 4],
    ] {
        for outlines in [Outlines::Shown, Outlines::Hidden] {
            let mut chest = Chest::flat(shape, -700);
            assert!(chest.picture(outlines).is_some(), "{shape:?}");
            chest.lesion_box([0; 3], [1; 3]);
            let png = chest.picture(outlines).unwrap();
            assert_eq!(
                !Picture::read(&png).places(OUTLINE).is_empty(),
                outlines == Outlines::Shown
            );
        }
    }
}

#[test]
fn grids_that_differ_make_no_picture() {
    let mut chest = Chest::flat([4, 5, 6], -700);
    chest.lesion = Grid3::filled([4, 6, 5], 0);
    assert_eq!(chest.picture(Outlines::Shown), None);
    assert_eq!(Chest::flat([0, 0, 0], 0).picture(Outlines::Shown), None);
}

const LETTER_R: [&str; 7] = [
    "####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#",
];
const LETTER_L: [&str; 7] = [
    "#....", "#....", "#....", "#....", "#....", "#....", "#####",
];

/// Leaves a picture where somebody asked for it.
fn keep(name: &str, png: &[u8]) {
    if let Some(folder) = std::env::var_os("SCANWARD_PREVIEW_FOLDER") {
        std::fs::write(std::path::Path::new(&folder).join(name), png).unwrap();
    }
}

struct Chest {
    volume: Volume,
    lung: LungMask,
    lesion: Grid3<u8>,
}

/// A phantom with `burden` percent of lesion, 12 or 0, rendered once.
fn phantom(burden: u8) -> &'static Chest {
    static SICK: OnceLock<Chest> = OnceLock::new();
    static HEALTHY: OnceLock<Chest> = OnceLock::new();
    let cell = if burden == 0 { &HEALTHY } else { &SICK };
    cell.get_or_init(|| Chest::of(f64::from(burden)))
}

impl Chest {
    fn of(burden: f64) -> Chest {
        let spec = PhantomSpec::of(100, burden, 1).with_matrix(256, 256);
        let phantom = Phantom::new(&spec).unwrap();
        let (mut hu, mut truth) = (Vec::new(), Vec::new());
        let (mut planes, mut masks, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for z in 0..spec.slices {
            phantom.slice_hu(z, &mut hu);
            phantom.slice_truth(z, &mut truth);
            let sick = |truth: &VoxelTruth| i16::from(*truth == VoxelTruth::Lesion) * 1000;
            let mask: Vec<i16> = truth.iter().map(sick).collect();
            for (pixels, reduced) in [(&hu, &mut planes), (&mask, &mut masks)] {
                let (size, mm) = (spec.rows, spec.pixel_mm);
                reduced.push(reduce(pixels, size, size, mm, mm, 2.8).unwrap());
            }
            places.push(SliceGeometry {
                position: [-180.0, -180.0, spec.step_mm * z as f64],
                orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
                rows: spec.rows,
                columns: spec.columns,
                row_spacing: spec.pixel_mm,
                column_spacing: spec.pixel_mm,
            });
        }
        let geometry = gate(&places, &SeriesLimits::default()).unwrap();
        let grid = |slices: &[ReducedSlice]| {
            let slices: Vec<_> = slices.iter().collect();
            let target = Spacing::isotropic(2.8).unwrap();
            stack(&slices, &geometry, target, &VolumeLimits::default()).unwrap()
        };
        let volume = grid(&planes);
        Chest {
            lung: segment(&volume, &LungLimits::default()).unwrap(),
            lesion: grid(&masks).hu.map(|share| u8::from(*share >= 500)),
            volume,
        }
    }

    /// A volume of one value, all of it lung.
    fn flat(shape: [usize; 3], hu: i16) -> Chest {
        Chest {
            volume: Volume {
                hu: Grid3::filled(shape, hu),
                spacing: Spacing::isotropic(2.8).unwrap(),
                origin: [0.0; 3],
                axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
                histogram: [0; HISTOGRAM_BINS],
            },
            lung: LungMask {
                sides: Grid3::filled(shape, 1),
                bounds: Region {
                    start: [0; 3],
                    size: shape,
                },
                volume: Millilitre::new(1000.0).unwrap(),
            },
            lesion: Grid3::filled(shape, 0),
        }
    }

    fn lesion_box(&mut self, start: [usize; 3], size: [usize; 3]) {
        for z in start[0]..start[0] + size[0] {
            for y in start[1]..start[1] + size[1] {
                for x in start[2]..start[2] + size[2] {
                    self.lesion.set(z, y, x, 1);
                }
            }
        }
    }

    fn picture(&self, outlines: Outlines) -> Option<Vec<u8>> {
        self.picture_by("covid-ct 1.1.0", outlines)
    }

    fn picture_by(&self, model: &str, outlines: Outlines) -> Option<Vec<u8>> {
        let caption = Caption { outlines, model };
        picture(&self.volume, &self.lung, &self.lesion, caption)
    }
}

struct Picture {
    width: usize,
    height: usize,
    palette: Vec<u8>,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    fn read(png: &[u8]) -> Picture {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png))
            .read_info()
            .unwrap();
        let mut indices = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut indices).unwrap();
        assert_eq!(frame.color_type, png::ColorType::Indexed);
        let palette = reader.info().palette.clone().unwrap().into_owned();
        let colours: Vec<[u8; 3]> = palette
            .chunks_exact(3)
            .map(|c| [c[0], c[1], c[2]])
            .collect();
        Picture {
            width: frame.width as usize,
            height: frame.height as usize,
            palette,
            pixels: indices
                .iter()
                .map(|index| colours[usize::from(*index)])
                .collect(),
        }
    }

    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        self.pixels[y * self.width + x]
    }

    /// Where a colour stands, `x, y`, row by row.
    fn places(&self, colour: [u8; 3]) -> Vec<[usize; 2]> {
        let all = (0..self.pixels.len()).map(|at| [at % self.width, at / self.width]);
        all.filter(|[x, y]| self.at(*x, *y) == colour).collect()
    }

    /// Where a letter stands in white, two pixels a dot; from left to right.
    fn find(&self, letter: [&str; 7]) -> Vec<[usize; 2]> {
        let here = |[left, top]: &[usize; 2]| {
            let dots = |y: usize| letter[y / 2].as_bytes();
            (0..14).all(|y| {
                (0..10).all(|x| (self.at(left + x, top + y) == WHITE) == (dots(y)[x / 2] == b'#'))
            })
        };
        let corners = (0..self.width - 10).flat_map(|x| (0..self.height - 14).map(move |y| [x, y]));
        corners.filter(here).collect()
    }

    fn longest_white_run(&self) -> usize {
        let rows = self.pixels.chunks_exact(self.width);
        let runs = rows.flat_map(|row| row.split(|rgb| *rgb != WHITE).map(<[_]>::len));
        runs.max().unwrap_or(0)
    }
}
