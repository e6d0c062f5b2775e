//! Which way a picture's text runs.

use super::geometry::{Point, TextBox, dot, normalised};

/// Boxes this much longer than thick tell their direction.
const TELLING_ASPECT: f32 = 2.5;

/// The axis along which most text runs, as a unit vector that points rightwards (or downwards
/// where it is steeper than 45°): whether it is read along it or against it is still open.
/// `None` without text.
pub fn text_axis(boxes: &[TextBox]) -> Option<Point> {
    // Doubling the angle makes opposite directions the same; lengths weigh, so that a line of
    // forty characters outvotes a sign.
    let mut sum = [0.0, 0.0];
    for found in boxes.iter().filter(|b| b.length > b.thickness * TELLING_ASPECT) {
        let [x, y] = found.along;
        sum[0] += (x * x - y * y) * found.length;
        sum[1] += 2.0 * x * y * found.length;
    }
    let [x, y] = normalised(sum)?;
    let angle = y.atan2(x) / 2.0;
    let axis = [angle.cos(), angle.sin()];
    let forward = if axis[0].abs() >= axis[1].abs() { axis[0] > 0.0 } else { axis[1] > 0.0 };
    Some(if forward { axis } else { [-axis[0], -axis[1]] })
}

/// The clockwise rotation in degrees (0, 90, 180, 270) that brings text read along `along`
/// upright.
pub fn rotation_degrees(along: Point) -> u16 {
    let candidates = [(0, [1.0, 0.0]), (270, [0.0, 1.0]), (180, [-1.0, 0.0]), (90, [0.0, -1.0])];
    candidates
        .into_iter()
        .max_by(|a, b| dot(a.1, along).total_cmp(&dot(b.1, along)))
        .map_or(0, |(degrees, _)| degrees)
}

/// The lines to try when the direction is in doubt: long enough to tell, best score first.
pub fn telling_lines(boxes: &[TextBox], count: usize) -> Vec<TextBox> {
    let mut telling: Vec<TextBox> =
        boxes.iter().filter(|b| (3.0..16.0).contains(&(b.length / b.thickness.max(1.0)))).copied().collect();
    telling.sort_by(|a, b| (b.score * b.thickness).total_cmp(&(a.score * a.thickness)));
    telling.truncate(count);
    telling
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(degrees: f32, length: f32) -> TextBox {
        let (sin, cos) = degrees.to_radians().sin_cos();
        TextBox { centre: [0.0, 0.0], along: [cos, sin], length, thickness: 10.0, score: 0.9 }
    }

    #[test]
    fn long_lines_outvote_specks() {
        let boxes = [line(3.0, 200.0), line(5.0, 300.0), line(90.0, 40.0), line(45.0, 12.0)];
        let axis = text_axis(&boxes).unwrap();
        assert!((axis[1].atan2(axis[0]).to_degrees() - 4.0).abs() < 2.0);
        assert!(text_axis(&[]).is_none());
    }

    #[test]
    fn each_direction_has_its_rotation() {
        for (along, degrees) in [([1.0, 0.1], 0), ([0.1, 1.0], 270), ([-1.0, 0.0], 180), ([0.0, -1.0], 90)] {
            assert_eq!(rotation_degrees(along), degrees);
        }
    }
}
