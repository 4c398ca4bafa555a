//! The window of `--show`.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use minifb::{InputCallback, Key, ScaleMode, WindowOptions};

use super::screen::Screen;

/// Width and height that a new window has at most, in pixels: it fits a laptop's screen.
const SIZE: (usize, usize) = (960, 650);

/// Share of the newest frame in the mean time between frames: steady enough to be read.
const NEWEST_SHARE: f32 = 0.1;

/// Time between two looks at the keys while nothing moves.
const PATIENCE: Duration = Duration::from_millis(30);

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0}: --show needs a graphical session (X11, or XWayland) in DISPLAY; without --show no window is needed"
)]
pub struct WindowError(#[from] minifb::Error);

/// What a key asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wish {
    /// Esc, Q, or the window's own button.
    Close,
    /// The page before this one.
    Back,
    /// The page after this one: any other key.
    Next,
}

impl Wish {
    /// What `key` asks for; nothing, if it only changes what others mean, as in Alt-Tab.
    const fn of(key: Key) -> Option<Self> {
        match key {
            Key::Escape | Key::Q => Some(Self::Close),
            Key::Left | Key::Up | Key::PageUp | Key::Backspace => Some(Self::Back),
            Key::LeftShift | Key::RightShift | Key::LeftCtrl | Key::RightCtrl => None,
            Key::LeftAlt | Key::RightAlt | Key::LeftSuper | Key::RightSuper => None,
            // AltGr and the keys for loudness have no name here.
            Key::CapsLock | Key::NumLock | Key::ScrollLock | Key::Unknown => None,
            _ => Some(Self::Next),
        }
    }
}

/// A window that shows a [`Screen`].
pub struct Window {
    window: minifb::Window,
    /// Of the key pressed last.
    wish: Rc<Cell<Option<Wish>>>,
    rgb: Vec<u8>,
    pixels: Vec<u32>,
    shown_at: Option<Instant>,
    /// Mean seconds from frame to frame.
    interval: f32,
}

impl Window {
    /// Opens a window for what is on `screen`.
    ///
    /// # Errors
    ///
    /// [`WindowError`] if there is no display.
    pub fn open(screen: &Screen) -> Result<Self, WindowError> {
        let (width, height) = screen.fitting(SIZE);
        let options = WindowOptions {
            resize: true,
            scale_mode: ScaleMode::AspectRatioStretch,
            ..WindowOptions::default()
        };
        let mut window = minifb::Window::new("maskbell", width, height, options)?;
        // The source sets the pace.
        window.set_target_fps(0);
        let wish = Rc::default();
        window.set_input_callback(Box::new(Keys { wish: Rc::clone(&wish) }));
        Ok(Self { window, wish, rgb: Vec::new(), pixels: Vec::new(), shown_at: None, interval: 0.0 })
    }

    /// Shows `screen`, pixel by pixel whatever size the window has now.
    ///
    /// # Errors
    ///
    /// [`WindowError`] if the display has gone.
    pub fn show(&mut self, screen: &Screen) -> Result<(), WindowError> {
        let size = self.paint(screen);
        self.update(size)
    }

    /// Paints `screen` in the size that the window has now, and returns it.
    fn paint(&mut self, screen: &Screen) -> (usize, usize) {
        let (width, height) = self.size();
        screen.paint(&mut self.rgb, width, height);
        self.pixels.clear();
        self.pixels
            .extend(self.rgb.chunks_exact(3).map(|rgb| u32::from_be_bytes([0, rgb[0], rgb[1], rgb[2]])));
        (width, height)
    }

    /// Brings what is painted to the display, and notes the keys.
    fn update(&mut self, (width, height): (usize, usize)) -> Result<(), WindowError> {
        Ok(self.window.update_with_buffer(&self.pixels, width, height)?)
    }

    fn size(&self) -> (usize, usize) {
        let (width, height) = self.window.get_size();
        (width.max(1), height.max(1))
    }

    /// Shows `screen` until a key is pressed, and says what it asks for; `end` asks to close it, too.
    ///
    /// # Errors
    ///
    /// [`WindowError`] if the display has gone.
    pub fn hold(&mut self, screen: &Screen, end: &AtomicBool) -> Result<Wish, WindowError> {
        let mut painted = self.paint(screen);
        loop {
            self.update(painted)?;
            if !self.window.is_open() || end.load(Ordering::Relaxed) {
                return Ok(Wish::Close);
            }
            if let Some(wish) = self.wish.take() {
                return Ok(wish);
            }
            thread::sleep(PATIENCE);
            if self.size() != painted {
                painted = self.paint(screen);
            }
        }
    }

    /// Whether the user has not closed it: with its button, Esc or Q.
    pub fn is_open(&self) -> bool {
        self.window.is_open() && self.wish.get() != Some(Wish::Close)
    }

    /// Forgets the keys until now, but for those that close the window.
    pub fn forget_keys(&self) {
        if self.wish.get() != Some(Wish::Close) {
            self.wish.set(None);
        }
    }

    /// Frames a second; to be asked once a frame.
    pub fn rate(&mut self) -> f32 {
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
    wish: Rc<Cell<Option<Wish>>>,
}

impl InputCallback for Keys {
    fn add_char(&mut self, _: u32) {}

    fn set_key_state(&mut self, key: Key, is_pressed: bool) {
        if is_pressed
            && self.wish.get() != Some(Wish::Close)
            && let Some(wish) = Wish::of(key)
        {
            self.wish.set(Some(wish));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_pressed_and_released_between_two_frames_counts() {
        for (key, asks) in [
            (Key::Escape, Wish::Close),
            (Key::Q, Wish::Close),
            (Key::Space, Wish::Next),
            (Key::Left, Wish::Back),
            (Key::A, Wish::Next),
        ] {
            let wish = Rc::default();
            let mut keys = Keys { wish: Rc::clone(&wish) };
            keys.set_key_state(key, true);
            keys.set_key_state(key, false);
            assert_eq!(wish.get(), Some(asks), "{key:?}");
            // Nothing opens again what is being closed.
            keys.set_key_state(Key::B, true);
            assert_eq!(wish.get() == Some(Wish::Close), asks == Wish::Close, "{key:?}");
        }
    }

    #[test]
    fn a_key_that_does_nothing_by_itself_asks_for_nothing() {
        for key in
            [Key::LeftAlt, Key::RightShift, Key::LeftSuper, Key::RightCtrl, Key::CapsLock, Key::Unknown]
        {
            let wish = Rc::default();
            Keys { wish: Rc::clone(&wish) }.set_key_state(key, true);
            assert_eq!(wish.get(), None, "{key:?}");
        }
    }
}
