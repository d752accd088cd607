//! Turning a place about the patient's axes.

/// The place `z, y, x` turned about `z`, then `y`, then `x` by so many degrees.
pub(crate) fn turned(degrees: [f64; 3], [z, y, x]: [f64; 3]) -> [f64; 3] {
    let [about_z, about_y, about_x] = degrees.map(f64::to_radians);
    let (y, x) = (
        y * about_z.cos() - x * about_z.sin(),
        y * about_z.sin() + x * about_z.cos(),
    );
    let (z, x) = (
        z * about_y.cos() - x * about_y.sin(),
        z * about_y.sin() + x * about_y.cos(),
    );
    let (z, y) = (
        z * about_x.cos() - y * about_x.sin(),
        z * about_x.sin() + y * about_x.cos(),
    );
    [z, y, x]
}
