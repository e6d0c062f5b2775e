//! A hand that holds the document, in millimetres from its centre.

use super::phone::Hand;
use crate::svg;
use std::fmt::Write as _;

/// Drawings below and above the document of `size_mm`.
pub(super) fn drawn(hand: &Hand, [w, h]: [f64; 2]) -> (String, String) {
    // The hand is drawn as it comes from the top edge, y pointing out of the document, and turned.
    let (length, out) = if hand.edge.is_multiple_of(2) { (w, h / 2.0) } else { (h, w / 2.0) };
    let along = (hand.along - 0.5) * length * 0.7;
    let turn = f64::from(hand.edge) * 90.0;
    let place = format!(r#"<g transform="rotate({turn}) translate({along:.1} {:.1}) scale(1 -1)">"#, -out);
    let tone = |by: f64| svg::colour(hand.skin.map(|v| (f64::from(v) * by).clamp(0.0, 255.0) as u8));
    let mut defs = String::from("<defs>");
    // Across a finger: dark at both edges, light a little off the middle.
    let _ = write!(
        defs,
        r#"<linearGradient id="skin" x1="0" x2="1" y1="0" y2="0"><stop offset="0" stop-color="{}"/><stop offset="0.35" stop-color="{}"/><stop offset="0.7" stop-color="{}"/><stop offset="1" stop-color="{}"/></linearGradient></defs>"#,
        tone(0.72),
        tone(1.06),
        tone(0.98),
        tone(0.66)
    );
    let nail = svg::colour(hand.skin.map(|v| (f64::from(v) * 0.6 + 98.0).min(245.0) as u8));
    let finger = |x: f64, tip: f64, width: f64, reach: f64, lean: f64, with_nail: bool| {
        let half = width / 2.0;
        let mut body = format!(r#"<g transform="rotate({lean} {x:.1} {tip:.1})">"#);
        // A soft shadow where it touches the document, then the finger, then its nail.
        for (grow, opacity) in [(2.4, 0.10), (1.2, 0.14)].into_iter().filter(|_| with_nail) {
            let _ = write!(
                body,
                r##"<rect x="{:.2}" y="{:.2}" width="{:.2}" height="{reach}" rx="{:.2}" fill="#000000" fill-opacity="{opacity}"/>"##,
                x - half - grow,
                tip - grow,
                width + 2.0 * grow,
                half + grow
            );
        }
        let _ = write!(
            body,
            r#"<rect x="{:.2}" y="{tip:.2}" width="{width:.2}" height="{reach}" rx="{:.2}" ry="{:.2}" fill="url(#skin)"/>"#,
            x - half,
            half * 0.98,
            half * 1.15,
        );
        if with_nail {
            let _ = write!(
                body,
                r#"<rect x="{:.2}" y="{:.2}" width="{:.2}" height="{:.2}" rx="{:.2}" fill="{nail}" fill-opacity="0.8"/>"#,
                x - half * 0.62,
                tip + 1.4,
                width * 0.62,
                width * 0.72,
                half * 0.5
            );
        }
        let _ = write!(
            body,
            r#"<path d="M{:.2} {:.2} q{half:.2} 1.4 {:.2} 0" fill="none" stroke="{}" stroke-width="0.35" stroke-opacity="0.6"/></g>"#,
            x - half * 0.7,
            tip + width * 1.45,
            width * 0.7,
            tone(0.7)
        );
        body
    };
    let tip = -hand.cover_mm;
    if hand.in_air {
        let mut below = format!("{defs}{place}");
        // The other fingers run behind; what is seen of them is beyond the edge.
        for (number, x) in [-26.0, -9.0, 8.0, 25.0].into_iter().enumerate() {
            let further = [4.0, 0.0, 2.0, 9.0].get(number).copied().unwrap_or(0.0);
            below.push_str(&finger(x, -18.0 + further, 16.5, 90.0, 0.0, false));
        }
        let _ = write!(
            below,
            r#"<path d="M-42 26 C-44 60 -40 90 -30 130 L-30 330 L32 330 L34 120 C42 90 44 60 40 26 Z" fill="{}"/><rect x="-46" y="190" width="94" height="200" rx="10" fill="{}"/></g>"#,
            tone(0.86),
            svg::colour(hand.skin.map(|v| v / 3 + 20))
        );
        let mut above = format!("{defs}{place}");
        above.push_str(&finger(-6.0, tip, 19.0, 66.0, 8.0, true));
        above.push_str("</g>");
        (below, above)
    } else {
        let mut above = format!("{defs}{place}");
        for (x, back, width, lean) in
            [(-10.0, 1.6, 16.0, -5.0), (8.0, 0.0, 16.5, 3.0), (25.0, 3.0, 15.0, 9.0)]
        {
            above.push_str(&finger(x, tip + back, width, 92.0, lean, true));
        }
        let _ = write!(
            above,
            r#"<path d="M-24 78 C-34 110 -28 150 -22 190 L-22 360 L42 360 L42 190 C50 150 50 110 40 78 Z" fill="{}"/></g>"#,
            tone(0.92)
        );
        (String::new(), above)
    }
}
