//! Looks of every size, on one thread and on several: the same faces.

use std::time::Duration;

use maskbell::camera::jpeg::JpegDecoder;
use maskbell::frame::{Frame, PixelFormat};
use maskbell::vision::{Choice, Face, LookSize, Looks, Options, Verdict, Vision};

const WIDTH: usize = 640;
const HEIGHT: usize = 480;

/// What is seen of an RGB picture of `WIDTH` × `HEIGHT` pixels.
fn seen(rgb: &[u8], size: LookSize, threads: usize, looks: Looks) -> Vec<Face> {
    let frame = Frame::new(rgb, PixelFormat::Rgb, WIDTH, HEIGHT, WIDTH * 3, Duration::ZERO).unwrap();
    let options = Options { size: Choice::Fixed(size), threads, ..Options::default() };
    let mut vision = Vision::new(&options).unwrap();
    let chosen = vision.chosen();
    assert_eq!((chosen.size, chosen.threads), (size, threads));
    assert!(chosen.took > Duration::ZERO);
    vision.look(&frame, looks).unwrap().to_vec()
}

fn sample(name: &str) -> Vec<u8> {
    let jpeg = std::fs::read(format!("sample/{name}.jpg")).unwrap();
    JpegDecoder::new(WIDTH, HEIGHT).unwrap().decode(&jpeg, Duration::ZERO).unwrap().data().to_vec()
}

/// A picture at a third of the size, nine times.
fn ninefold(rgb: &[u8]) -> Vec<u8> {
    let mut output = vec![128; rgb.len()];
    for y in 0..HEIGHT / 3 * 3 {
        for x in 0..WIDTH / 3 * 3 {
            let from = (y % (HEIGHT / 3) * 3 * WIDTH + x % (WIDTH / 3) * 3) * 3;
            output[(y * WIDTH + x) * 3..][..3].copy_from_slice(&rgb[from..from + 3]);
        }
    }
    output
}

#[test]
fn every_size_finds_the_face_where_it_is() {
    for (name, verdict) in
        [("bare", Verdict::Bare), ("masked", Verdict::Covered), ("nose_out", Verdict::NoseOut)]
    {
        let picture = sample(name);
        let smallest = seen(&picture, LookSize::W320, 1, Looks::One);
        for size in LookSize::ALL {
            let faces = seen(&picture, size, 2, Looks::One);
            assert_eq!(faces.len(), 1, "{name} {size}");
            assert_eq!(faces[0].verdict, verdict, "{name} {size}");
            assert!(faces[0].bounds.overlap(&smallest[0].bounds) > 0.7, "{name} {size}: {faces:?}");
        }
    }
    for size in LookSize::ALL {
        assert_eq!(seen(&sample("empty"), size, 1, Looks::One), [], "{size}");
    }
}

#[test]
fn threads_change_nothing() {
    let (one, nine) = (sample("bare"), ninefold(&sample("bare")));
    for size in [LookSize::W320, LookSize::W400] {
        for (picture, looks, least) in
            [(&one, Looks::One, 1), (&nine, Looks::One, 6), (&one, Looks::Close, 1)]
        {
            let alone = seen(picture, size, 1, looks);
            assert!(alone.len() >= least, "{} faces", alone.len());
            for threads in [2, 3, 4] {
                assert_eq!(seen(picture, size, threads, looks), alone, "{size} on {threads} threads");
            }
        }
    }
}
