//! From tones that are begun and ended at their time to samples that are asked for in blocks.
//!
//! A sound card asks for some hundredths of a second at once, which is too coarse for notes.  So [`Score`] keeps when a tone
//! was begun, and [`Reader`] plays what was told a block before: each note has its length to the sample, and all of
//! them come a little later.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::wave::{Drive, SquareWave};

/// A rest after which the delay is made as short as it can be again.  Within a melody rests keep their length.
const REST: Duration = Duration::from_millis(200);

/// What was told and not yet played.
#[derive(Debug, Default)]
pub struct Score(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    changes: VecDeque<(Duration, Option<Drive>)>,
    /// Nothing will follow.
    ended: bool,
    /// When samples were last asked for.
    asked: Duration,
}

impl Score {
    fn told(&self) -> MutexGuard<'_, Told> {
        // Nothing in it can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tone begins at `now`, or silence; times are those since any fixed moment, and do not go back.
    pub fn tell(&self, now: Duration, drive: Option<Drive>) {
        self.told().changes.push_back((now, drive));
    }

    /// Nothing will follow what was told.
    pub fn end(&self) {
        self.told().ended = true;
    }

    /// Whether something that was told is not yet among the samples.
    pub fn is_behind(&self) -> bool {
        !self.told().changes.is_empty()
    }

    /// When samples were last asked for.
    pub fn asked(&self) -> Duration {
        self.told().asked
    }
}

/// Plays a score.
#[derive(Debug)]
pub struct Reader {
    rate: u32,
    wave: SquareWave,
    /// Time of the next sample, in samples.
    clock: u64,
    /// For how many samples there was silence.
    rest: u64,
}

impl Reader {
    /// One that gives so many samples a second.
    pub fn new(rate: u32) -> Self {
        Self { rate, wave: SquareWave::new(rate), clock: 0, rest: u64::MAX }
    }

    /// Fills the block that is asked for at `now`; `false`, and nothing, if the score has ended and all of it was played.
    pub fn fill(&mut self, score: &Score, now: Duration, block: &mut [i16]) -> bool {
        let mut told = score.told();
        told.asked = now;
        if told.ended && told.changes.is_empty() && self.wave.is_silent() {
            return false;
        }
        if self.wave.is_silent() && self.rest > self.samples(REST) {
            // All of the block is past, or else what begins in it might be told too late; but nothing that was told.
            let past = self.samples(now).saturating_sub(block.len() as u64);
            self.clock = told.changes.front().map_or(past, |&(first, _)| past.min(self.samples(first)));
        }
        for sample in block {
            while let Some(&(at, drive)) = told.changes.front()
                && self.samples(at) <= self.clock
            {
                told.changes.pop_front();
                self.wave.set(drive);
            }
            self.rest = if self.wave.is_silent() { self.rest.saturating_add(1) } else { 0 };
            *sample = self.wave.sample();
            self.clock += 1;
        }
        true
    }

    fn samples(&self, time: Duration) -> u64 {
        (time.as_secs_f64() * f64::from(self.rate)).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;
    const MS: Duration = Duration::from_millis(1);

    /// What is heard when blocks of these lengths are asked for as if a sound card played them, and the tones `told` are
    /// known from their time on: (Hz or 0, milliseconds) one after the other, without the silence before.
    fn heard(told: &[(u32, f32)], blocks: impl IntoIterator<Item = usize>) -> Vec<(u32, u32)> {
        let score = Score::default();
        let mut told = told.iter().map(|&(ms, pitch)| (MS * ms, pitch)).peekable();
        let mut reader = Reader::new(RATE);
        let (mut now, mut samples) = (Duration::from_secs(5), Vec::new());
        let start = now;
        for length in blocks {
            while let Some((at, pitch)) = told.next_if(|&(at, _)| start + at <= now) {
                let drive = Some(Drive { pitch, duty: 0.5 }).filter(|_| pitch > 0.0);
                score.tell(start + at, drive);
            }
            let mut block = vec![0; length];
            assert!(reader.fill(&score, now, &mut block));
            samples.extend(block);
            now += Duration::from_secs_f64(length as f64 / f64::from(RATE));
        }
        let mut notes = Vec::new();
        // By rising edges: a period begins with one.
        let mut at = samples.iter().position(|&sample| sample != 0).expect("something is heard");
        while at < samples.len() {
            let silence = samples[at..].iter().take_while(|&&sample| sample == 0).count();
            if silence > 0 {
                notes.push((0, silence));
                at += silence;
                continue;
            }
            let high = samples[at..].iter().take_while(|&&sample| sample > 0).count();
            let low = samples[at + high..].iter().take_while(|&&sample| sample < 0).count();
            let pitch = (RATE as usize / (high + low).max(1)) as u32;
            match notes.last_mut() {
                Some((last, length)) if *last == pitch => *length += high + low,
                _ => notes.push((pitch, high + low)),
            }
            at += high + low;
        }
        notes.into_iter().map(|(pitch, length)| (pitch, (length as f64 / 48.0).round() as u32)).collect()
    }

    #[test]
    fn notes_have_their_length_whatever_the_blocks() {
        // 1000 Hz for 60 ms, a seam of 15 ms, 2000 Hz for 61 ms.
        let told = [(3, 1000.0), (63, 0.0), (78, 2000.0), (139, 0.0)];
        for block in [48, 240, 960, 1000, 2400] {
            let mut notes =
                heard(&told, std::iter::once(2400).chain(std::iter::repeat_n(block, 24_000 / block)));
            assert_eq!(notes.pop().map(|(pitch, _)| pitch), Some(0), "{block}");
            assert_eq!(notes, [(1000, 60), (0, 15), (2000, 61)], "{block}");
        }
    }

    #[test]
    fn it_is_heard_no_later_than_a_block_after_it_was_told() {
        let score = Score::default();
        let mut reader = Reader::new(RATE);
        let mut block = [0; 480];
        assert!(reader.fill(&score, MS * 100, &mut block));
        // Long after: the delay does not grow by what the clocks of card and machine differ.
        assert!(reader.fill(&score, MS * 9000, &mut block));
        score.tell(MS * 9004, Some(Drive { pitch: 1000.0, duty: 0.5 }));
        assert!(reader.fill(&score, MS * 9010, &mut block));
        assert_eq!(block.iter().position(|&sample| sample != 0), Some(4 * 48));
    }

    #[test]
    fn who_has_not_been_asked_for_long_catches_up_after_a_rest() {
        let score = Score::default();
        let mut reader = Reader::new(RATE);
        let mut block = [0; 480];
        score.tell(MS * 10, Some(Drive { pitch: 1000.0, duty: 0.5 }));
        score.tell(MS * 12, None);
        score.tell(MS * 5000, Some(Drive { pitch: 1000.0, duty: 0.5 }));
        // For the rest alone, not for all the time that nobody asked.
        for turn in 0..25 {
            assert!(reader.fill(&score, MS * (5000 + 10 * turn), &mut block));
        }
        assert!(block.iter().all(|&sample| sample != 0));
    }

    #[test]
    fn an_ended_score_is_played_to_its_end() {
        let score = Score::default();
        let mut reader = Reader::new(RATE);
        let mut block = [0; 480];
        score.tell(MS * 10, Some(Drive { pitch: 1000.0, duty: 0.5 }));
        score.tell(MS * 15, None);
        score.end();
        assert!(reader.fill(&score, MS * 15, &mut block));
        assert_eq!(block.iter().filter(|&&sample| sample != 0).count(), 5 * 48);
        assert!(reader.fill(&score, MS * 25, &mut block));
        assert!(block.iter().all(|&sample| sample == 0));
        assert!(!reader.fill(&score, MS * 35, &mut block));
    }
}
