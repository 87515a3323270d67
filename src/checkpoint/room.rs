//! Memory for decoding pictures, shared by all threads.

use std::sync::{Condvar, Mutex, PoisonError};

/// Bytes that all pictures which are decoded at once may take together. A larger one is decoded alone.
const TOTAL: u64 = 1 << 30;

static FREE: Mutex<u64> = Mutex::new(TOTAL);
static GIVEN_BACK: Condvar = Condvar::new();

/// Bytes that are kept free for one picture, until it is dropped. Whoever holds one must not ask for another, and must
/// not wait for other threads.
#[derive(Debug)]
pub(super) struct Room(u64);

impl Room {
    /// Waits until there is room for so many bytes.
    pub fn of(bytes: u64) -> Room {
        let bytes = bytes.min(TOTAL);
        // A poisoned lock still counts, which is all it is for.
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        while *free < bytes {
            free = GIVEN_BACK.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= bytes;
        Room(bytes)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += self.0;
        GIVEN_BACK.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn threads_never_hold_more_than_all_together_and_all_come_through() {
        let (held, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8u64 {
                let (held, most) = (&held, &most);
                scope.spawn(move || {
                    for round in 0..20 {
                        let bytes = (TOTAL / 5) * ((thread + round) % 7);
                        let room = Room::of(bytes);
                        let now = held.fetch_add(room.0, Ordering::SeqCst) + room.0;
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        held.fetch_sub(room.0, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= TOTAL);
        assert_eq!(held.into_inner(), 0);
    }
}
