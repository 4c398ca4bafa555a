//! The sound card in place of the buzzer.
//!
//! Through PulseAudio's protocol, which PipeWire speaks, too: what desktops have, without a library of the system.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use embedded_hal::digital;
use embedded_hal::pwm::{self as hal, ErrorKind, ErrorType, SetDutyCycle};
use futures::executor::block_on;
use pulseaudio::protocol::{
    ChannelMap, DEFAULT_SINK, PlaybackStreamParams, SampleFormat, SampleSpec, stream,
};
use pulseaudio::{AsPlaybackSource, Client, ClientError, PlaybackStream};

use super::score::{Reader, Score};
use super::wave::Drive;
use crate::board::pwm::Pwm;

/// Samples a second: what most sound cards run at.
const RATE: u32 = 48_000;

/// How long before it is heard a sample is asked for: short for the ear, long enough for a busy machine.
const BUFFER: Duration = Duration::from_millis(60);

/// How long the sound server may take to answer, or ask for nothing, before it counts as gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// What sound servers call the sink that stands in while there is no sound card: nobody would hear it.
const NO_CARD: &[u8] = b"auto_null";

/// Full duty, so that a percent is 1.
const MAX_DUTY: u16 = 100;

/// Why nothing sounds through a sound card.
#[derive(Debug, thiserror::Error)]
pub enum SpeakerError {
    /// Neither PulseAudio nor PipeWire runs.
    #[error("there is no sound server (PulseAudio or PipeWire)")]
    NoServer,
    /// The sound server has nothing to play on.
    #[error("there is no sound card")]
    NoCard,
    /// The sound server refuses.
    #[error("the sound server (PulseAudio or PipeWire) cannot be used: {0}")]
    Refused(String),
    /// The sound server has stopped.
    #[error("the sound server (PulseAudio or PipeWire) does not answer")]
    Silent,
}

impl From<ClientError> for SpeakerError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::ServerUnavailable => Self::NoServer,
            other => {
                let cause = other.source().map_or(String::new(), |cause| format!(": {cause}"));
                Self::Refused(format!("{other}{cause}"))
            }
        }
    }
}

impl hal::Error for SpeakerError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// The sound card, which sounds as the piezo is driven: a PWM output as far as [`crate::signal::buzzer::Buzzer`] can tell.
///
/// It plays silence in between: a card that sleeps swallows the beginning of what wakes it.  Dropping it ends the tone.
#[derive(Debug)]
pub struct Speaker {
    score: Arc<Score>,
    /// Times of the score are since then.
    start: Instant,
    stream: PlaybackStream,
    period: Duration,
}

impl Speaker {
    /// Opens the default sound card.
    ///
    /// # Errors
    ///
    /// [`SpeakerError`] if there is none, or nobody to ask.
    pub fn open() -> Result<Self, SpeakerError> {
        in_time(Self::connect)
    }

    fn connect() -> Result<Self, SpeakerError> {
        let client = Client::from_env(c"maskbell")?;
        let sink =
            block_on(client.sink_info_by_name(DEFAULT_SINK.to_owned())).map_err(|error| match error {
                ClientError::ServerError(_) => SpeakerError::NoCard,
                other => other.into(),
            })?;
        if sink.name.as_bytes() == NO_CARD {
            return Err(SpeakerError::NoCard);
        }
        let score = Arc::<Score>::default();
        let (start, shared) = (Instant::now(), Arc::clone(&score));
        let mut reader = Reader::new(RATE);
        let mut samples = Vec::new();
        let source = move |block: &mut [u8]| {
            samples.resize(block.len() / 2, 0);
            if !reader.fill(&shared, start.elapsed(), &mut samples) {
                return 0;
            }
            for (bytes, sample) in block.chunks_exact_mut(2).zip(&samples) {
                bytes.copy_from_slice(&sample.to_le_bytes());
            }
            samples.len() * 2
        };
        let buffered = BUFFER.as_millis() as u32 * RATE / 1000 * 2;
        let params = PlaybackStreamParams {
            sample_spec: SampleSpec { format: SampleFormat::S16Le, channels: 1, sample_rate: RATE },
            channel_map: ChannelMap::mono(),
            sink_name: Some(DEFAULT_SINK.to_owned()),
            buffer_attr: stream::BufferAttr { target_length: buffered, ..Default::default() },
            flags: stream::StreamFlags { adjust_latency: true, ..Default::default() },
            ..Default::default()
        };
        let stream = block_on(client.create_playback_stream(params, source.as_playback_source()))?;
        Ok(Self { score, start, stream, period: Duration::ZERO })
    }

    /// Sounds `drive` until told otherwise, or nothing.
    ///
    /// # Errors
    ///
    /// [`SpeakerError::Silent`] if the sound server has stopped.
    pub fn sound(&self, drive: Option<Drive>) -> Result<(), SpeakerError> {
        let now = self.start.elapsed();
        if now.saturating_sub(self.score.asked()) > PATIENCE {
            return Err(SpeakerError::Silent);
        }
        self.score.tell(now, drive);
        Ok(())
    }

    /// Waits until all that was told is heard.
    ///
    /// # Errors
    ///
    /// [`SpeakerError`] if the sound server does not play it to the end.
    pub fn finish(self) -> Result<(), SpeakerError> {
        self.score.end();
        in_time(move || Ok(block_on(self.stream.play_all())?))
    }
}

/// What `work` gives, unless it takes longer than [`PATIENCE`]: the sound server may hang, and who waits for it with it.
fn in_time<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SpeakerError> + Send + 'static,
) -> Result<T, SpeakerError> {
    let (sender, done) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    match done.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(SpeakerError::Silent),
    }
}

impl ErrorType for Speaker {
    type Error = SpeakerError;
}

impl SetDutyCycle for Speaker {
    fn max_duty_cycle(&self) -> u16 {
        MAX_DUTY
    }

    fn set_duty_cycle(&mut self, duty: u16) -> Result<(), SpeakerError> {
        let pitch = 1.0 / self.period.as_secs_f32();
        let duty = f32::from(duty) / f32::from(MAX_DUTY);
        self.sound((duty > 0.0 && pitch.is_finite()).then_some(Drive { pitch, duty }))
    }
}

impl Pwm for Speaker {
    fn set_period(&mut self, period: Duration) -> Result<(), SpeakerError> {
        self.period = period;
        Ok(())
    }
}

/// The pin of an LED that a PC does not have.
#[derive(Debug)]
pub struct NoPin;

impl digital::ErrorType for NoPin {
    type Error = std::convert::Infallible;
}

impl digital::OutputPin for NoPin {
    fn set_low(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}
