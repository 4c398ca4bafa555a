//! The loop in fixed memory: frames from a clip through decoder, networks, policy, log, buzzer, LED and watchdog, with every call
//! of the heap counted, in Rust's allocator and in C's.
//!
//! C's is counted by defining `malloc` and its kin in this program, which the dynamic linker prefers to the C
//! library's; glibc offers its own under other names.  It is a program without a test harness, because all threads are
//! counted and the harness's own allocates now and then.

use std::convert::Infallible;
use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use embedded_hal::digital;
use embedded_hal::pwm::{self, SetDutyCycle};
use maskbell::attendant::Attendant;
use maskbell::board::console::Logger;
use maskbell::board::pwm::Pwm;
use maskbell::board::watchdog::Watchdog;
use maskbell::camera::mjpeg::MotionJpeg;
use maskbell::camera::{DEFAULT_RATE, Pace};
use maskbell::frame::Orientation;
use maskbell::memory::{Allocator, heap_calls};
use maskbell::policy::{Reminder, Times};
use maskbell::signal::buzzer::{Buzzer, LOUDEST};
use maskbell::signal::led::Led;
use maskbell::signal::{Melodies, Signals};
use maskbell::vision::{Choice, LookSize, MOST_THREADS, Options, Thresholds};
use maskbell::watch::{Turn, Watch};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Frames that are counted, after the first.
const FRAMES: usize = 1000;

/// Frames of the sample visit.
const CLIP_FRAMES: usize = 199;

pub(crate) fn run() {
    check_counters();

    // As on the card: a kernel log that takes it all, and a console that has taken its fill and takes no more.
    let null = || File::create("/dev/null").unwrap();
    let (_reader, mut console) = UnixStream::pair().unwrap();
    console.set_nonblocking(true).unwrap();
    while console.write(&[b'\n'; 1024]).is_ok() {}
    log::set_boxed_logger(Box::new(Logger::new(Some(console), Some(null())))).unwrap();
    log::set_max_level(log::LevelFilter::Debug);

    let clip = std::fs::read("sample/visit.mjpeg").unwrap();
    let mut source = MotionJpeg::from_bytes(clip, Pace::AsFast, DEFAULT_RATE).unwrap().repeat(true);
    // The most that there can be of everything.
    let size = Choice::Fixed(LookSize::W640);
    let vision = Options { thresholds: Thresholds::default(), size, threads: MOST_THREADS };
    let mut watch = Watch::new(&vision, Times::default(), Orientation::default()).unwrap();
    let tones = Arc::new(AtomicUsize::new(0));
    let buzzer = Buzzer::new(TestPin { tones: Arc::clone(&tones) }, LOUDEST);
    let led = Led::new(TestPin { tones: Arc::default() });
    let mut attendant = Attendant::new(
        Signals::with_pins(Some(buzzer), Some(led), Melodies::default()),
        Some(Watchdog::with_device(null())),
    );

    let (mut frames, mut faces_seen) = (0, 0);
    let mut reminders = heapless::Vec::<Reminder, 16>::new();
    let mut before = None;
    watch
        .run(&mut source, |turn| {
            if let Turn::Seen { faces, call, .. } = &turn {
                frames += 1;
                faces_seen += faces.len();
                reminders.extend(call.map(|call| call.reminder));
            }
            attendant.attend(turn);
            if frames == 1 {
                before = Some((heap_calls(), c_heap_calls()));
            }
            if frames > FRAMES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    let after = (heap_calls(), c_heap_calls());

    // It was the real thing: faces were found, reminders given, tones played.
    assert!(faces_seen > FRAMES / 4, "{faces_seen} faces");
    // Each round of the clip brings one without a mask, one with it, and one with the nose out.
    let expected = [Reminder::Mask, Reminder::Nose].repeat(FRAMES / CLIP_FRAMES);
    assert_eq!(reminders.as_slice(), expected.as_slice());
    assert!(tones.load(Ordering::Relaxed) > 0, "no tone");
    assert_eq!(before, Some(after), "heap calls after the first frame and {FRAMES} frames later");
    println!("{FRAMES} frames, {faces_seen} faces and {} reminders without a heap call: ok", reminders.len());
}

/// A counter that does not count proves nothing.
fn check_counters() {
    let (rust, c) = (heap_calls(), c_heap_calls());
    drop(std::hint::black_box(vec![1u8; 100]));
    assert!(heap_calls().allocations > rust.allocations && heap_calls().frees > rust.frees);
    assert!(c_heap_calls() >= c + 2);
    let c = c_heap_calls();
    // SAFETY: a block is asked for and given back.
    unsafe { libc::free(std::hint::black_box(libc::calloc(1, 100))) };
    assert!(c_heap_calls() >= c + 2);
}

/// Pins that count the tones they were asked for.
struct TestPin {
    tones: Arc<AtomicUsize>,
}

impl pwm::ErrorType for TestPin {
    type Error = Infallible;
}

impl SetDutyCycle for TestPin {
    fn max_duty_cycle(&self) -> u16 {
        1000
    }

    fn set_duty_cycle(&mut self, duty: u16) -> Result<(), Infallible> {
        self.tones.fetch_add(usize::from(duty > 0), Ordering::Relaxed);
        Ok(())
    }
}

impl Pwm for TestPin {
    fn set_period(&mut self, _: Duration) -> Result<(), Infallible> {
        Ok(())
    }
}

impl digital::ErrorType for TestPin {
    type Error = Infallible;
}

impl digital::OutputPin for TestPin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// How often C's heap was called, by whatever language.
static C_HEAP_CALLS: AtomicUsize = AtomicUsize::new(0);

fn c_heap_calls() -> usize {
    C_HEAP_CALLS.load(Ordering::Relaxed)
}

/// Defines functions of the C heap that count and then call glibc's own of another name.
macro_rules! count_calls {
    ($($name:ident = $own:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        unsafe extern "C" { $(fn $own($($argument: $type),*) $(-> $result)?;)* }
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $type),*) $(-> $result)? {
                C_HEAP_CALLS.fetch_add(1, Ordering::Relaxed);
                // SAFETY: the caller keeps the C function's contract, which is that of glibc's own.
                unsafe { $own($($argument),*) }
            }
        )*
    };
}

type Block = *mut libc::c_void;

count_calls! {
    malloc = __libc_malloc(size: usize) -> Block;
    calloc = __libc_calloc(count: usize, size: usize) -> Block;
    realloc = __libc_realloc(block: Block, size: usize) -> Block;
    memalign = __libc_memalign(alignment: usize, size: usize) -> Block;
    free = __libc_free(block: Block);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> Block {
    // SAFETY: the same function by its older name.
    unsafe { memalign(alignment, size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(to: *mut Block, alignment: usize, size: usize) -> libc::c_int {
    // SAFETY: the caller keeps the contract: a power of two, and a place for the result.
    unsafe {
        *to = memalign(alignment, size);
        if (*to).is_null() { libc::ENOMEM } else { 0 }
    }
}
