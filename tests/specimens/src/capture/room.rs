//! A room: walls, a window, furniture. Drawn 400 units wide.

use crate::random::Random;
use crate::svg;
use std::fmt::Write as _;

const WALLS: [[u8; 3]; 6] =
    [[226, 220, 208], [198, 206, 212], [214, 196, 170], [168, 184, 172], [120, 132, 146], [232, 232, 230]];
const FURNITURE: [[u8; 3]; 8] = [
    [112, 76, 52],
    [64, 52, 46],
    [150, 60, 56],
    [60, 84, 120],
    [84, 104, 76],
    [190, 170, 140],
    [44, 46, 52],
    [206, 150, 70],
];

pub(crate) fn drawn(aspect: f64, random: &mut Random) -> String {
    let height = 400.0 * aspect;
    let floor = height * random.between(0.58, 0.86);
    let wall = random.pick(&WALLS).copied().unwrap_or([220; 3]);
    let dark = wall.map(|v| (f64::from(v) * 0.7) as u8);
    let mut body = String::new();
    let _ = write!(
        body,
        r#"<defs><linearGradient id="wall" x1="0" x2="1" y1="0" y2="{:.2}"><stop offset="0" stop-color="{}"/><stop offset="1" stop-color="{}"/></linearGradient></defs><rect width="400" height="{height}" fill="url(#wall)"/>"#,
        random.between(0.1, 0.9),
        svg::colour(wall),
        svg::colour(dark)
    );
    let plain = |random: &mut Random| svg::colour(random.pick(&FURNITURE).copied().unwrap_or([90; 3]));
    let _ = write!(
        body,
        r#"<rect y="{floor:.0}" width="400" height="{:.0}" fill="{}"/><rect y="{:.0}" width="400" height="5" fill="{}"/>"#,
        height - floor,
        plain(random),
        floor - 5.0,
        svg::colour(wall.map(|v| v.saturating_add(16)))
    );
    for _ in 0..random.integer(3, 7) {
        let x = random.between(-30.0, 350.0);
        match random.integer(0, 6) {
            0 => window(&mut body, x, height, random),
            1 => shelf(&mut body, x, floor, random),
            2 => {
                // A sofa or bed.
                let (wide, high) = (random.between(110.0, 190.0), random.between(40.0, 70.0));
                let (fill, cushion) = (plain(random), plain(random));
                let top = floor - high * 0.6;
                let _ = write!(
                    body,
                    r#"<rect x="{x:.0}" y="{top:.0}" width="{wide:.0}" height="{high:.0}" rx="12" fill="{fill}"/><rect x="{:.0}" y="{:.0}" width="{:.0}" height="{:.0}" rx="9" fill="{cushion}"/>"#,
                    x + wide * 0.1,
                    top - high * 0.25,
                    wide * 0.3,
                    high * 0.6
                );
            }
            3 => {
                // A door.
                let (wide, top) = (random.between(50.0, 80.0), floor * random.between(0.05, 0.3));
                let fill = plain(random);
                let _ = write!(
                    body,
                    r##"<rect x="{x:.0}" y="{top:.0}" width="{wide:.0}" height="{:.0}" fill="{fill}" stroke="#00000055" stroke-width="3"/><circle cx="{:.0}" cy="{:.0}" r="3" fill="#d8c890"/>"##,
                    floor - top,
                    x + wide * 0.88,
                    (top + floor) / 2.0
                );
            }
            4 => {
                // A table and what stands on it.
                let (wide, top) = (random.between(90.0, 170.0), floor - random.between(10.0, 50.0));
                let (fill, thing) = (plain(random), plain(random));
                let _ = write!(
                    body,
                    r#"<rect x="{:.0}" y="{:.0}" width="22" height="26" rx="5" fill="{thing}"/><rect x="{x:.0}" y="{top:.0}" width="{wide:.0}" height="9" fill="{fill}"/><rect x="{:.0}" y="{top:.0}" width="8" height="90" fill="{fill}"/><rect x="{:.0}" y="{top:.0}" width="8" height="90" fill="{fill}"/>"#,
                    x + wide * 0.3,
                    top - 26.0,
                    x + 5.0,
                    x + wide - 13.0
                );
            }
            5 => {
                // A picture on the wall.
                let (wide, high) = (random.between(36.0, 80.0), random.between(30.0, 70.0));
                let (frame, inner, shape) = (plain(random), plain(random), plain(random));
                let y = random.between(10.0, (floor - high - 20.0).max(20.0));
                let _ = write!(
                    body,
                    r#"<rect x="{x:.0}" y="{y:.0}" width="{wide:.0}" height="{high:.0}" fill="{inner}" stroke="{frame}" stroke-width="5"/><circle cx="{:.0}" cy="{:.0}" r="{:.0}" fill="{shape}"/>"#,
                    x + wide * 0.4,
                    y + high * 0.5,
                    wide * 0.2
                );
            }
            _ => {
                // A plant in a pot.
                let pot = plain(random);
                let _ = write!(
                    body,
                    r#"<rect x="{x:.0}" y="{:.0}" width="36" height="40" rx="4" fill="{pot}"/>"#,
                    floor - 26.0
                );
                for _ in 0..9 {
                    let (dx, dy) = (random.between(-18.0, 54.0), random.between(30.0, 110.0));
                    let green = svg::colour([40, random.integer(80, 140) as u8, 50]);
                    let turn = random.between(0.0, 180.0);
                    let (cx, cy) = (x + dx, floor - dy);
                    let _ = write!(
                        body,
                        r#"<ellipse cx="{cx:.0}" cy="{cy:.0}" rx="26" ry="9" fill="{green}" transform="rotate({turn:.0} {cx:.0} {cy:.0})"/>"#
                    );
                }
            }
        }
    }
    body
}

fn window(body: &mut String, x: f64, height: f64, random: &mut Random) {
    let (wide, high) = (random.between(70.0, 130.0), height * random.between(0.3, 0.55));
    let y = height * random.between(0.02, 0.12);
    let sky = svg::colour([random.integer(190, 255) as u8, random.integer(215, 255) as u8, 255]);
    let _ = write!(
        body,
        r##"<rect x="{x:.0}" y="{y:.0}" width="{wide:.0}" height="{high:.0}" fill="{sky}" stroke="#f4f2ee" stroke-width="7"/><rect x="{x:.0}" y="{:.0}" width="{wide:.0}" height="{:.0}" fill="#7d9a72"/><rect x="{:.0}" y="{y:.0}" width="4" height="{high:.0}" fill="#f4f2ee"/>"##,
        y + high * 0.72,
        high * 0.26,
        x + wide / 2.0
    );
}

fn shelf(body: &mut String, x: f64, floor: f64, random: &mut Random) {
    let (wide, top) = (random.between(70.0, 120.0), floor * random.between(0.1, 0.4));
    let _ = write!(
        body,
        r##"<rect x="{x:.0}" y="{top:.0}" width="{wide:.0}" height="{:.0}" fill="#6b4a34"/>"##,
        floor - top
    );
    let mut y = top + 4.0;
    while y + 34.0 < floor {
        let mut at = x + 4.0;
        while at < x + wide - 8.0 {
            let (w, h) = (random.between(4.0, 9.0).min(x + wide - 4.0 - at), random.between(18.0, 29.0));
            let book = svg::colour(std::array::from_fn(|_| random.integer(30, 225) as u8));
            let _ = write!(
                body,
                r#"<rect x="{at:.1}" y="{:.1}" width="{w:.1}" height="{h:.1}" fill="{book}"/>"#,
                y + 30.0 - h
            );
            at += w + 0.6;
        }
        y += 34.0;
    }
}
