//! The window of `--show`.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use minifb::{InputCallback, Key, ScaleMode, WindowOptions};

use super::draw::Canvas;
use super::rgb;
use crate::frame::Frame;
use crate::vision::{Face, LookSize};

/// Longer side of a new window in pixels: small pictures are enlarged, large ones fit a laptop's screen.
const LONGER_SIDE: std::ops::RangeInclusive<f32> = 640.0..=1280.0;

/// Share of the newest frame in the mean time between frames: steady enough to be read.
const NEWEST_SHARE: f32 = 0.1;

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0}: --show needs a graphical session (X11, or XWayland) in DISPLAY; without --show no window is needed"
)]
pub struct WindowError(#[from] minifb::Error);

/// A window that shows frames with boxes and times.
pub struct Window {
    window: minifb::Window,
    /// Esc or Q has been pressed.
    closing: Rc<Cell<bool>>,
    rgb: Vec<u8>,
    pixels: Vec<u32>,
    shown_at: Option<Instant>,
    /// Mean seconds from frame to frame.
    interval: f32,
}

impl Window {
    /// Opens a window for frames of `width` × `height` pixels; later ones of other sizes are fitted in.
    ///
    /// # Errors
    ///
    /// [`WindowError`] if there is no display.
    pub fn open(width: usize, height: usize) -> Result<Self, WindowError> {
        let longer = width.max(height) as f32;
        let zoom = longer.clamp(*LONGER_SIDE.start(), *LONGER_SIDE.end()) / longer;
        let side = |pixels: usize| (pixels as f32 * zoom).round().max(1.0) as usize;
        let options = WindowOptions {
            resize: true,
            scale_mode: ScaleMode::AspectRatioStretch,
            ..WindowOptions::default()
        };
        let mut window = minifb::Window::new("maskbell", side(width), side(height), options)?;
        // The source sets the pace.
        window.set_target_fps(0);
        let closing = Rc::default();
        window.set_input_callback(Box::new(Keys { closing: Rc::clone(&closing) }));
        Ok(Self { window, closing, rgb: Vec::new(), pixels: Vec::new(), shown_at: None, interval: 0.0 })
    }

    /// Shows `frame`, the boxes of `faces`, and that the look at them, of `size`, took so long.
    ///
    /// # Errors
    ///
    /// [`WindowError`] if the display has gone.
    pub fn show(
        &mut self,
        frame: &Frame<'_>,
        faces: &[Face],
        size: LookSize,
        took: Duration,
    ) -> Result<(), WindowError> {
        let (width, height) = (frame.width(), frame.height());
        let (took, rate) = (took.as_secs_f32() * 1e3, self.rate());
        let caption = format!("{width}x{height}  look {size} {took:.1} ms  {rate:.1} frames/s");
        rgb::from_frame(frame, &mut self.rgb);
        let mut canvas = Canvas::new(&mut self.rgb, width, height);
        canvas.faces(faces);
        canvas.caption(&caption);
        self.pixels.clear();
        self.pixels
            .extend(self.rgb.chunks_exact(3).map(|rgb| u32::from_be_bytes([0, rgb[0], rgb[1], rgb[2]])));
        Ok(self.window.update_with_buffer(&self.pixels, width, height)?)
    }

    /// Answers the user while there is no frame to show.
    pub fn wait(&mut self) {
        self.window.update();
    }

    /// Whether the user has not closed it: with its button, Esc or Q.
    pub fn is_open(&self) -> bool {
        self.window.is_open() && !self.closing.get()
    }

    /// Frames a second, as shown.
    fn rate(&mut self) -> f32 {
        let now = Instant::now();
        if let Some(before) = self.shown_at.replace(now) {
            let newest = (now - before).as_secs_f32();
            let share = if self.interval == 0.0 { 1.0 } else { NEWEST_SHARE };
            self.interval += share * (newest - self.interval);
        }
        if self.interval > 0.0 { 1.0 / self.interval } else { 0.0 }
    }
}

/// Notes keys as they are pressed: one that is released before the next frame is shown counts, too.
struct Keys {
    closing: Rc<Cell<bool>>,
}

impl InputCallback for Keys {
    fn add_char(&mut self, _: u32) {}

    fn set_key_state(&mut self, key: Key, is_pressed: bool) {
        if is_pressed && matches!(key, Key::Escape | Key::Q) {
            self.closing.set(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_pressed_and_released_between_two_frames_closes_the_window() {
        for (key, closes) in [(Key::Escape, true), (Key::Q, true), (Key::A, false)] {
            let closing = Rc::default();
            let mut keys = Keys { closing: Rc::clone(&closing) };
            keys.set_key_state(key, true);
            keys.set_key_state(key, false);
            assert_eq!(closing.get(), closes, "{key:?}");
        }
    }
}
