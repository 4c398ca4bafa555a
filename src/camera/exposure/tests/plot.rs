//! `docs/exposure.svg`: what follows steps of light.

use std::fmt::Write;
use std::path::Path;

use super::*;

/// Pixels of the drawing: a panel's height, its distance from the next, and a picture's width.
const PANEL: f32 = 90.0;
const NEXT: f32 = 130.0;
const PICTURE_WIDTH: f32 = 2.0;
const LEFT: f32 = 60.0;
const TOP: f32 = 50.0;

/// What is shown of each picture, with the range of its logarithmic scale and what is marked on it.
const PANELS: [(&str, [f32; 2], &[f32]); 4] = [
    (
        "light of the wall (then of the face), of what fills a photosite in 30 ms at gain 1",
        [0.01, 1000.0],
        &[0.1, 1.0, 10.0, 100.0],
    ),
    ("exposure, ms", [0.05, 50.0], &[0.1, 1.0, 10.0, 30.0]),
    ("analogue gain", [0.8, 16.0], &[1.0, 2.0, 4.0, 8.0]),
    (
        "light seen of the wall (then of the face): 0.12 is wanted (of a known face 0.18), 1 is full",
        [0.002, 2.0],
        &[0.01, 0.12, 1.0],
    ),
];

/// Pictures of each part, and what it is.
const PARTS: [(u32, &str); 5] = [
    (60, "a room"),
    (90, "full sun"),
    (90, "dusk"),
    (90, "somebody before a bright door"),
    (90, "whose face is found"),
];

/// The values of [`PANELS`], picture by picture.
fn responses() -> [Vec<f32>; 4] {
    let sensor = Sensor::by_name("imx219").unwrap();
    let mut room = Room::new(sensor);
    let middle = (sun(sensor) * dusk(sensor)).sqrt();
    let face = Rect::new(0.42 * WIDTH as f32, 20.0, 0.48 * WIDTH as f32, 30.0);
    let mut values = [const { Vec::new() }; 4];
    for (part, (pictures, _)) in PARTS.iter().enumerate() {
        let light = [middle, sun(sensor), dusk(sensor), middle / 4.0, middle / 4.0][part];
        let (door, is_found) = (if part < 3 { 1.0 } else { 20.0 }, part == 4);
        let stripes = [
            (0.4, door * light),
            (0.5, light),
            (0.6, door * light),
            (1.0, if part < 3 { 1.0 } else { 3.0 } * light),
        ];
        for _ in 0..*pictures {
            let Settings { exposure, gain } = room.told[0];
            let exposed = sensor.line.as_secs_f32() * exposure as f32 * 1e3;
            let seen = room.picture(&stripes, is_found.then_some(face))[1];
            let full = light * 30e-3 / sensor.line.as_secs_f32();
            for (list, value) in values.iter_mut().zip([full, exposed, sensor.gain.factor(gain), seen]) {
                list.push(value);
            }
        }
    }
    values
}

fn drawn() -> String {
    let pictures: u32 = PARTS.iter().map(|(pictures, _)| pictures).sum();
    let right = LEFT + PICTURE_WIDTH * pictures as f32;
    let (width, height) = (right + 20.0, TOP + NEXT * 4.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    let mut from = LEFT;
    for (pictures, title) in PARTS {
        let bottom = TOP + NEXT * 3.0 + PANEL;
        writeln!(svg, "<path d=\"M{from} 12V{bottom}\" stroke=\"#bbb\"/>").unwrap();
        writeln!(svg, "<text x=\"{}\" y=\"20\">{title}</text>", from + 4.0).unwrap();
        from += PICTURE_WIDTH * pictures as f32;
    }
    for (panel, (values, (title, [least, most], marks))) in responses().iter().zip(PANELS).enumerate() {
        let top = TOP + NEXT * panel as f32;
        let y =
            |value: f32| top + (PANEL * (most / value).ln() / (most / least).ln()).clamp(0.0, PANEL).round();
        writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{title}</text>", top - 6.0).unwrap();
        for mark in marks {
            writeln!(svg, "<path d=\"M{LEFT} {}H{right}\" stroke=\"#ddd\"/>", y(*mark)).unwrap();
            writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{mark}</text>",
                LEFT - 6.0,
                y(*mark) + 4.0
            )
            .unwrap();
        }
        write!(svg, "<path fill=\"none\" stroke=\"#06c\" stroke-width=\"1.5\" d=\"M{LEFT} {}", y(values[0]))
            .unwrap();
        for value in values {
            write!(svg, "V{}h{PICTURE_WIDTH}", y(*value)).unwrap();
        }
        writeln!(svg, "\"/>").unwrap();
    }
    for second in (0..=pictures / 30).step_by(2) {
        let x = LEFT + PICTURE_WIDTH * 30.0 * second as f32;
        writeln!(svg, "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{second} s</text>", height - 18.0)
            .unwrap();
    }
    svg + "</svg>\n"
}

/// `MASKBELL_DRAW=1` in the environment draws it anew.
#[test]
fn the_drawing_shows_what_it_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/exposure.svg");
    let drawn = drawn();
    if std::env::var_os("MASKBELL_DRAW").is_some() {
        std::fs::write(&path, &drawn).unwrap();
    }
    let numbers = |svg: &str| -> Vec<f32> {
        svg.split(|c: char| !c.is_ascii_digit() && c != '.')
            .filter_map(|number| number.parse().ok())
            .collect()
    };
    let (now, then) = (numbers(&drawn), numbers(&std::fs::read_to_string(path).unwrap()));
    assert_eq!(now.len(), then.len());
    // Another libm may round otherwise.
    let off = now.iter().zip(&then).filter(|(now, then)| (*now - *then).abs() > 1.0).count();
    assert_eq!(off, 0, "draw it anew: see above");
}
