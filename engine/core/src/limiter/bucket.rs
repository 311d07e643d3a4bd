//! A debt that is paid off at a rate: the even spacing of requests, or of bytes.
//!
//! Whatever starts is charged at once, and the next may start when the debt is paid. So a rate may change at any moment, no start
//! is booked ahead, and nothing larger than one charge ever goes out at once. A credit of [`CREDIT`] makes up for timers that
//! fire late; what lies idle for longer earns nothing.

use std::time::Duration;

/// How much of a rate may be saved up: the lateness of a millisecond timer on a busy machine. 35 requests at 3,500 a second.
const CREDIT: Duration = Duration::from_millis(10);

/// Debts below this are rounding, of requests as of bytes.
const PAID: f64 = 1e-6;

/// The debt of one rate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    debt: f64,
    at: Duration,
}

impl Bucket {
    /// How long the debt takes to be paid at this rate a second; zero where it is paid.
    pub(super) fn wait(&mut self, rate: f64, now: Duration) -> Duration {
        let earned = rate * now.saturating_sub(self.at).as_secs_f64();
        self.at = now;
        self.debt = (self.debt - earned).max(-rate * CREDIT.as_secs_f64());
        if self.debt <= PAID { Duration::ZERO } else { seconds(self.debt / rate) }
    }

    /// Charges a start.
    pub(super) fn charge(&mut self, amount: f64) {
        self.debt += amount;
    }
}

/// A bucket that all classes pay into, each in its turn: who has to wait books the next moment, so that none starves another.
#[derive(Debug, Default)]
pub(super) struct Shared {
    rate: Option<f64>,
    bucket: Bucket,
    booked: [Option<Booking>; 4],
}

/// When a class may start its next request, and what was charged for that.
#[derive(Clone, Copy, Debug)]
struct Booking {
    at: Duration,
    charged: f64,
}

impl Shared {
    pub(super) fn new(rate: Option<f64>) -> Self {
        Self { rate, ..Self::default() }
    }

    /// Keeps another rate from now on. What is owed stays owed; what was booked is booked anew.
    pub(super) fn set_rate(&mut self, rate: Option<f64>) {
        if rate == self.rate {
            return;
        }
        for booking in self.booked.iter_mut().filter_map(Option::take) {
            self.bucket.charge(-booking.charged);
        }
        self.rate = rate;
        if rate.is_none() {
            self.bucket = Bucket::default();
        }
    }

    /// How long a start of this class that costs so much has to wait.
    pub(super) fn wait(&mut self, class: usize, amount: f64, now: Duration) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        if amount == 0.0 {
            return Duration::ZERO;
        }
        if let Some(booking) = self.booked[class] {
            return booking.at.saturating_sub(now);
        }
        let wait = self.bucket.wait(rate, now);
        if !wait.is_zero() {
            self.bucket.charge(amount);
            self.booked[class] = Some(Booking { at: now + wait, charged: amount });
        }
        wait
    }

    /// Charges a start.
    pub(super) fn charge(&mut self, class: usize, amount: f64) {
        if self.rate.is_some() && amount != 0.0 {
            let charged = self.booked[class].take().map_or(0.0, |booking| booking.charged);
            self.bucket.charge(amount - charged);
        }
    }
}

/// So many seconds, at most a year: far more than anything waits.
pub(super) fn seconds(seconds: f64) -> Duration {
    const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of `count` starts happens, by a timer that fires on whole multiples of `tick`.
    fn starts(rate: f64, charge: f64, count: usize, tick: Duration) -> Vec<Duration> {
        let (mut bucket, mut now, mut starts) = (Bucket::default(), Duration::ZERO, Vec::new());
        while starts.len() < count {
            if bucket.wait(rate, now).is_zero() {
                bucket.charge(charge);
                starts.push(now);
            } else {
                now += tick;
            }
        }
        starts
    }

    #[test]
    fn starts_keep_to_the_rate_in_batches_of_one_tick() {
        let starts = starts(3_500.0, 1.0, 35_001, Duration::from_millis(1));
        let last = starts.last().expect("there are starts").as_secs_f64();
        assert!((9.98..10.01).contains(&last), "{last}");
        for second in starts.windows(3_500).map(|window| (window[3_499] - window[0]).as_secs_f64()) {
            assert!(second >= 0.985, "3,500 starts within {second} s");
        }
    }

    #[test]
    fn a_charge_is_paid_before_the_next_start_whatever_its_size() {
        let starts = starts(1e6, 8e6, 4, Duration::from_millis(1));
        assert_eq!(starts, [0, 8, 16, 24].map(Duration::from_secs));
    }

    #[test]
    fn what_lies_idle_earns_no_burst() {
        let mut bucket = Bucket::default();
        let now = Duration::from_secs(3_600);
        let mut burst = 0;
        while bucket.wait(1_000.0, now).is_zero() {
            bucket.charge(1.0);
            burst += 1;
        }
        assert!((10..=11).contains(&burst), "{burst}");
    }
}
