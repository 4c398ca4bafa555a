//! The system calls that the program makes of a camera and of the clock, answered here.
//!
//! They are defined in this program, which the linker prefers to the C library's.  Each thread, and so each test, has
//! a machine of its own, with its own time: nothing waits, and a test of ten minutes takes none.  A thread without a
//! machine, and a file that is no camera, get the C library's answer.
//!
//! `open`, `ioctl` by way of `syscall`, and the like take a variable number of arguments in C.  On x86-64 and aarch64
//! Linux those lie where fixed ones would, which is all that is used here.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::machine::World;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Gives this thread a machine, or takes it away.
pub(crate) fn set_world(world: Option<World>) {
    let before = WORLD.with(|slot| slot.replace(world));
    // It closes files, which must not find it borrowed.
    drop(before);
}

/// Runs `action` on this thread's machine; `None` if it has none, or is at work on it.
pub(crate) fn with_world<T>(action: impl FnOnce(&mut World) -> T) -> Option<T> {
    WORLD.try_with(|slot| slot.try_borrow_mut().ok()?.as_mut().map(action)).ok().flatten()
}

/// The C library's function of that name, found once.
struct Real {
    name: &'static CStr,
    address: AtomicUsize,
}

impl Real {
    const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicUsize::new(0) }
    }

    fn address(&self) -> *const c_void {
        let mut address = self.address.load(Ordering::Relaxed);
        if address == 0 {
            // SAFETY: the name is a C string.
            address = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) } as usize;
            assert_ne!(address, 0, "the C library has {:?}", self.name);
            self.address.store(address, Ordering::Relaxed);
        }
        address as *const c_void
    }
}

/// What a system call gives: its value, or −1 with `errno` set.
fn result(outcome: Result<c_int, c_int>) -> c_int {
    outcome.unwrap_or_else(|errno| {
        // SAFETY: the C library says where this thread's `errno` is.
        unsafe { *libc::__errno_location() = errno };
        -1
    })
}

#[unsafe(no_mangle)]
extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    static REAL: Real = Real::new(c"open");
    // SAFETY: this is the type of `open`, and the caller's path is a C string.
    let (real, name) = unsafe {
        let real: extern "C" fn(*const c_char, c_int, c_int) -> c_int = std::mem::transmute(REAL.address());
        (real, CStr::from_ptr(path))
    };
    if let Some(Some(Err(errno))) = with_world(|world| world.may_open(name)) {
        return result(Err(errno));
    }
    let fd = real(path, flags, mode);
    with_world(|world| world.opened(name, fd));
    fd
}

/// Rust's own files: of the kernel's some are answered here.
#[unsafe(no_mangle)]
extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    static REAL: Real = Real::new(c"open64");
    // SAFETY: this is the type of `open64`, and the caller's path is a C string.
    let (real, name) = unsafe {
        let real: extern "C" fn(*const c_char, c_int, c_int) -> c_int = std::mem::transmute(REAL.address());
        (real, CStr::from_ptr(path))
    };
    match with_world(|world| world.stand_in(name)).flatten() {
        Some(stand_in) => real(stand_in.as_ptr(), flags, mode),
        None => real(path, flags, mode),
    }
}

#[unsafe(no_mangle)]
extern "C" fn close(fd: c_int) -> c_int {
    static REAL: Real = Real::new(c"close");
    with_world(|world| world.closed(fd));
    // SAFETY: this is the type of `close`.
    let real: extern "C" fn(c_int) -> c_int = unsafe { std::mem::transmute(REAL.address()) };
    real(fd)
}

#[unsafe(no_mangle)]
extern "C" fn syscall(number: c_long, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> c_long {
    static REAL: Real = Real::new(c"syscall");
    if number == libc::SYS_ioctl {
        // SAFETY: who asks a camera gives the structure that belongs to the request.
        let answer = with_world(|world| unsafe { world.ioctl(a as c_int, b as u64, c as *mut c_void) });
        if let Some(Some(outcome)) = answer {
            return result(outcome.map(|()| 0)).into();
        }
    }
    // SAFETY: this is how the C library's `syscall` takes its arguments, those that are not given included.
    unsafe {
        let real: extern "C" fn(c_long, usize, usize, usize, usize, usize, usize) -> c_long =
            std::mem::transmute(REAL.address());
        real(number, a, b, c, d, e, f)
    }
}

#[unsafe(no_mangle)]
extern "C" fn poll(fds: *mut libc::pollfd, count: libc::nfds_t, timeout: c_int) -> c_int {
    static REAL: Real = Real::new(c"poll");
    if count == 1 {
        // SAFETY: the caller gives `count` of them.
        let asked = unsafe { &mut *fds };
        let patience = u64::try_from(timeout).map(Duration::from_millis).unwrap_or(Duration::MAX);
        if let Some(Some(outcome)) = with_world(|world| world.poll(asked, patience)) {
            return result(outcome);
        }
    }
    // SAFETY: this is the type of `poll`.
    unsafe {
        let real: extern "C" fn(*mut libc::pollfd, libc::nfds_t, c_int) -> c_int =
            std::mem::transmute(REAL.address());
        real(fds, count, timeout)
    }
}

#[unsafe(no_mangle)]
extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    static REAL: Real = Real::new(c"clock_gettime");
    if clock == libc::CLOCK_MONOTONIC
        && let Some(now) = with_world(|world| world.now)
    {
        // SAFETY: the caller gives room for the time.
        unsafe {
            (*time).tv_sec = now.as_secs() as libc::time_t;
            (*time).tv_nsec = now.subsec_nanos().into();
        }
        return 0;
    }
    // SAFETY: this is the type of `clock_gettime`.
    unsafe {
        let real: extern "C" fn(libc::clockid_t, *mut libc::timespec) -> c_int =
            std::mem::transmute(REAL.address());
        real(clock, time)
    }
}

/// What a sleep is to last.
///
/// # Safety
///
/// `wanted` must point to a time.
unsafe fn pass(wanted: *const libc::timespec) -> Option<()> {
    // SAFETY: promised by the caller.
    let wanted = unsafe { *wanted };
    let wanted = Duration::new(wanted.tv_sec as u64, wanted.tv_nsec as u32);
    with_world(|world| world.now += wanted)
}

#[unsafe(no_mangle)]
extern "C" fn nanosleep(wanted: *const libc::timespec, left: *mut libc::timespec) -> c_int {
    static REAL: Real = Real::new(c"nanosleep");
    // SAFETY: the caller gives the time to sleep.
    if unsafe { pass(wanted) }.is_some() {
        return 0;
    }
    // SAFETY: this is the type of `nanosleep`.
    unsafe {
        let real: extern "C" fn(*const libc::timespec, *mut libc::timespec) -> c_int =
            std::mem::transmute(REAL.address());
        real(wanted, left)
    }
}

#[unsafe(no_mangle)]
extern "C" fn clock_nanosleep(
    clock: libc::clockid_t,
    flags: c_int,
    wanted: *const libc::timespec,
    left: *mut libc::timespec,
) -> c_int {
    static REAL: Real = Real::new(c"clock_nanosleep");
    // SAFETY: the caller gives the time to sleep.
    if flags == 0 && unsafe { pass(wanted) }.is_some() {
        return 0;
    }
    // SAFETY: this is the type of `clock_nanosleep`.
    unsafe {
        let real: extern "C" fn(libc::clockid_t, c_int, *const libc::timespec, *mut libc::timespec) -> c_int =
            std::mem::transmute(REAL.address());
        real(clock, flags, wanted, left)
    }
}
