//! The NIfTI-1 header of a mask. Source: nifti1.h, the standard's reference header; offsets in bytes.

use crate::series::Geometry;

/// Header and the four bytes that say no extension follows.
pub(super) const BYTES: usize = 352;

const DESCRIPTION: &[u8] = b"scanward lesion mask";
/// `NIFTI_XFORM_SCANNER_ANAT`: mm in the scanner's space.
const SCANNER: i16 = 1;
/// `NIFTI_TYPE_UINT8`.
const UINT8: i16 = 2;
/// `NIFTI_UNITS_MM`.
const MILLIMETRE: u8 = 2;

/// The header of a mask on the canonical grid of `geometry`; little-endian.
///
/// Voxel indices run `x, y, z`: patient right to left, front to back, feet to head. Both affines lead to RAS mm.
/// `None` when a side is empty or beyond what the format can hold.
pub(super) fn header(geometry: &Geometry) -> Option<Vec<u8>> {
    let sides = [geometry.columns, geometry.rows, geometry.order.len()];
    let [columns, rows, slices] = sides.map(|side| i16::try_from(side).ok().filter(|n| *n > 0));
    let spacing = [
        geometry.column_spacing,
        geometry.row_spacing,
        geometry.step_mm,
    ];
    let mut header = Header(vec![0; BYTES]);
    header.put(0, [348_i32.to_le_bytes()]); // sizeof_hdr
    header.whole(40, [3, columns?, rows?, slices?, 1, 1, 1, 1]); // dim
    header.whole(70, [UINT8, 8]); // datatype, bitpix
    header.real(76, [1.0]); // pixdim[0]: the canonical axes are right-handed
    header.real(80, spacing); // pixdim[1..4]
    header.real(108, [352.0, 1.0, 0.0]); // vox_offset, scl_slope, scl_inter
    header.put(123, [[MILLIMETRE]]); // xyzt_units
    header.real(124, [1.0, 0.0]); // cal_max, cal_min
    header.put(148, [DESCRIPTION]); // descrip
    header.whole(252, [SCANNER, SCANNER]); // qform_code, sform_code
    let [z_axis, y_axis, x_axis] = geometry.axes.map(ras);
    let origin = ras(geometry.origin);
    header.real(256, quaternion([x_axis, y_axis, z_axis])); // quatern_b, c, d
    header.real(268, origin); // qoffset_x, y, z
    let rows = x_axis.iter().zip(&y_axis).zip(&z_axis).zip(&origin);
    let [dx, dy, dz] = spacing;
    for (index, (((x, y), z), offset)) in rows.enumerate() {
        header.real(280 + 16 * index, [x * dx, y * dy, z * dz, *offset]); // srow_x, y, z
    }
    header.put(344, [b"n+1\0"]); // magic
    Some(header.0)
}

/// LPS to RAS.
fn ras([left, posterior, superior]: [f64; 3]) -> [f64; 3] {
    [-left, -posterior, superior]
}

/// b, c, d of the unit quaternion (a not negative) of the rotation with these columns.
///
/// Canonical axes lie within degrees of LPS, so the rotation lies within degrees of half a turn about z: d is near 1 and
/// safe to divide by.
fn quaternion(columns: [[f64; 3]; 3]) -> [f64; 3] {
    let [[xx, xy, xz], [yx, yy, yz], [zx, zy, zz]] = columns;
    let d = (1.0 - xx - yy + zz).max(f64::EPSILON).sqrt() / 2.0;
    let a = (xy - yx) / (4.0 * d);
    let sign = if a < 0.0 { -1.0 } else { 1.0 };
    [(zx + xz) / (4.0 * d), (zy + yz) / (4.0 * d), d].map(|part| sign * part)
}

struct Header(Vec<u8>);

impl Header {
    fn put<T: AsRef<[u8]>>(&mut self, offset: usize, fields: impl IntoIterator<Item = T>) {
        let mut places = self.0.iter_mut().skip(offset);
        for field in fields {
            for byte in field.as_ref() {
                if let Some(place) = places.next() {
                    *place = *byte;
                }
            }
        }
    }

    fn whole<const N: usize>(&mut self, offset: usize, values: [i16; N]) {
        self.put(offset, values.map(i16::to_le_bytes));
    }

    fn real<const N: usize>(&mut self, offset: usize, values: [f64; N]) {
        self.put(offset, values.map(|value| single(value).to_le_bytes()));
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the format holds f32; patient millimetres keep a ten-thousandth"
)]
fn single(value: f64) -> f32 {
    value as f32
}
