//! Everything that looks like chance follows from a world's seed.
//!
//! The world's own choices come from [`Luck`]. The programs in it, tokio and the SDK ask the operating system for random
//! bytes and for the time: for jitter, for the order in which `select!` polls, for identifiers, and for the order of hash
//! maps. In this program [`getrandom`] and [`clock_gettime`] take the place of the operating system's functions, so a
//! world is the same in every run. Each world has a process of its own, because some of these generators live as long as
//! a process.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng};

/// The state from which the next random bytes for libraries are made.
static FOR_LIBRARIES: AtomicU64 = AtomicU64::new(1);

/// How many times libraries have asked for the time. 0 until the process follows a seed.
static TIMES: AtomicI64 = AtomicI64::new(0);
/// The time when worlds begin: the first day of 2026, in seconds since 1970.
const BEGIN: i64 = 1_767_225_600;

/// Makes all random numbers of this process, and all times but tokio's, follow from `seed`.
pub fn follow(seed: u64) {
    FOR_LIBRARIES.store(seed, Relaxed);
    TIMES.store(1, Relaxed);
    fastrand::seed(seed);
}

/// Takes the place of the C library's function of this name, which the standard library and the crates for random numbers
/// call.
///
/// # Safety
///
/// `buffer` must have room for `length` bytes.
#[expect(unsafe_code, reason = "the C library's function is replaced")]
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    for at in 0..length {
        // SplitMix64: good enough for numbers that need not be secret.
        let mut mixed = FOR_LIBRARIES.fetch_add(0x9E37_79B9_7F4A_7C15, Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // SAFETY: the caller has promised that the buffer has room.
        unsafe { buffer.add(at).write((mixed >> 56) as u8) };
    }
    length.cast_signed()
}

/// Takes the place of the C library's function of this name. In a world a microsecond passes between two calls. Tasks
/// that wait use tokio's clock.
///
/// # Safety
///
/// `time` must be valid for writes.
#[expect(unsafe_code, reason = "the C library's function is replaced")]
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(
    clock: libc::clockid_t,
    time: *mut libc::timespec,
) -> libc::c_int {
    if TIMES.load(Relaxed) == 0 {
        // SAFETY: it is the function that this one replaces, with the caller's arguments.
        let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
        return if result == 0 { 0 } else { -1 };
    }
    let microseconds = TIMES.fetch_add(1, Relaxed);
    let now = libc::timespec {
        tv_sec: BEGIN + microseconds / 1_000_000,
        tv_nsec: microseconds % 1_000_000 * 1000,
    };
    // SAFETY: the caller has promised that it can be written.
    unsafe { time.write(now) };
    0
}

/// A world's own choices.
#[derive(Debug)]
pub struct Luck(Mutex<StdRng>);

impl Luck {
    pub fn of(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// A number of this range.
    pub fn pick(&self, range: std::ops::Range<u64>) -> u64 {
        if range.is_empty() { range.start } else { self.0.lock().random_range(range) }
    }

    /// One of these.
    pub fn one_of<'a, T>(&self, all: &'a [T]) -> &'a T {
        let at = self.pick(0..all.len() as u64);
        &all[usize::try_from(at).expect("it is the position of one of them")]
    }

    /// True with this probability.
    pub fn happens(&self, probability: f64) -> bool {
        self.0.lock().random_bool(probability)
    }

    pub fn milliseconds(&self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.pick(range))
    }

    pub fn seconds(&self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_secs(self.pick(range))
    }

    pub fn bytes(&self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.lock().fill_bytes(&mut bytes);
        bytes
    }
}
