//! The rate that one class of requests keeps, learned from refusals.
//!
//! A server that refuses beyond a rate shows that rate: it is how much it accepted. So the pace falls just below what was accepted,
//! climbs back to it along a cubic curve that is flat where the ceiling was, and then ever faster beyond it, as CUBIC does (RFC 9438) and
//! as the adaptive retry mode of the AWS SDKs does. The curve is relative to the ceiling, so ten requests a second are treated as ten thousand are.
//! A refusal now and then is the price of knowing the ceiling, and no reason to slow down: [`TOLERATED`] of them change nothing.
//! Nor is a share of refusals that stays the same when the pace falls: some servers refuse by chance.
//! Where nothing was ever refused there is no pace at all.

use std::time::Duration;

use super::bucket::Bucket;

/// Refused requests that are no complaint, as a share: below the 3 % that a run may cost its server, above what a loaded one loses by chance.
const TOLERATED: f64 = 0.01;

/// The pace after a complaint, as a share of what was accepted: low enough to clear the server's queue, high enough to lose little.
const START: f64 = 0.95;

/// Least ceiling after a complaint, as a share of the pace before. Few may have been accepted because few were sent; a server that does
/// take so much less says so again.
const CEILING_MIN: f64 = 0.5;

/// The pace after a complaint where nothing was accepted, or too little seen to say, as a share of the pace before.
const START_BLIND: f64 = 0.5;

/// What was sent after a complaint is less than before it where it is below this share of that: only then does it show anything.
const LESS: f64 = 0.95;

/// Fewer refusals than this show nothing either.
const REFUSALS_MIN: f64 = 8.0;

/// Complaints that changed nothing, each of which doubles what is tolerated: up to 64 %. More is an outage.
const DOUBTS_MAX: i32 = 6;

/// How long the pace rests where nothing was accepted, doubled each time up to [`BLIND_MAX`] times, before it comes back.
const BLIND_REST: Duration = Duration::from_millis(250);
const BLIND_MAX: u32 = 5;

/// How long the pace takes back to the ceiling. A quarter of [`START`]'s gap is lost meanwhile: about 1 %.
const PLATEAU: Duration = Duration::from_secs(4);

/// The same for a ceiling that only one complaint has shown: it may have been a burst that was refused, and no rate.
const PLATEAU_GUESSED: Duration = Duration::from_secs(1);

/// Ceilings of two complaints that differ by no more than this, as a factor, are the same.
const SAME: f64 = 1.25;

/// How long the pace rests at a rate that somebody advised to begin with: as long as a server may need to see that more is coming.
const PLATEAU_ADVISED: Duration = Duration::from_secs(20);

/// How much the pace exceeds the ceiling after a second such time, as a share. It passes the ceiling by 1.5 % a little more than a second
/// after reaching it, so a ceiling that still stands costs few refusals, and by all that [`FORGOTTEN`] allows after eleven.
const GROWTH: f64 = 0.5;

/// A pace that has grown so far past its ceiling without a complaint is given up: the ceiling is gone.
const FORGOTTEN: f64 = 4.0;

/// A pace that is used by less than this share is not what limits, so its growth proves nothing.
const USED: f64 = 0.7;

/// Slowest pace, in requests a second: it must still find out that a server has recovered.
const RATE_MIN: f64 = 1.0;

/// Fewer answers than this show no rate: fewer may run at once then, and the pauses of those that were refused are pace enough.
const ANSWERS_MIN: f64 = 10.0;

/// Least time between two complaints: what was accepted has to be measured over it.
const COMPLAINT_EVERY: Duration = Duration::from_millis(200);

/// What was accepted is measured over one to two of these.
const SPAN: Duration = Duration::from_millis(500);

/// Whatever happens within a timer's tick counts as if it took that long.
const SPAN_MIN: Duration = Duration::from_millis(1);

/// One class's pace.
#[derive(Debug, Default)]
pub(super) struct Pace {
    curve: Option<Curve>,
    bucket: Bucket,
    meter: Meter,
    complaint: Option<Duration>,
    /// What was seen at the last complaint.
    complained: Seen,
    doubts: i32,
    /// Complaints in a row with nothing accepted.
    blind: u32,
}

/// What a complaint showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Complaint {
    /// Requests a second that were accepted; zero where none was, or too little was seen.
    pub(super) accepted: f64,
}

#[derive(Clone, Copy, Debug)]
struct Curve {
    ceiling: f64,
    /// How far below the ceiling it began, as a share.
    depth: f64,
    since: Duration,
    plateau: Duration,
}

impl Curve {
    fn rate(&self, now: Duration) -> f64 {
        let plateau = self.plateau.as_secs_f64();
        let way = (now.saturating_sub(self.since).as_secs_f64() - plateau) / plateau;
        let slope = if way < 0.0 { self.depth } else { GROWTH };
        (self.ceiling * (1.0 + slope * way.powi(3))).max(RATE_MIN)
    }
}

impl Pace {
    /// A pace that starts at this rate as if it had been learned.
    pub(super) fn seeded(rate: f64) -> Self {
        Self {
            curve: Some(Curve { ceiling: rate.max(RATE_MIN), depth: 0.0, since: Duration::ZERO, plateau: PLATEAU_ADVISED }),
            ..Self::default()
        }
    }

    /// Requests a second, where a pace is kept.
    pub(super) fn rate(&self, now: Duration) -> Option<f64> {
        self.curve.map(|curve| curve.rate(now))
    }

    /// How long the next request has to wait.
    pub(super) fn wait(&mut self, now: Duration) -> Duration {
        match self.curve {
            None => Duration::ZERO,
            Some(curve) => self.bucket.wait(curve.rate(now), now),
        }
    }

    /// A request starts.
    pub(super) fn started(&mut self, now: Duration) {
        self.roll(now);
        self.meter.started += 1;
        if self.curve.is_some() {
            self.bucket.charge(1.0);
        }
    }

    /// A request was accepted.
    pub(super) fn accepted(&mut self, now: Duration) {
        self.roll(now);
        self.meter.accepted += 1;
    }

    /// A request that had started then was refused. The answer is what that shows, where it is a complaint of its own.
    pub(super) fn refused(&mut self, started: Duration, now: Duration) -> Option<Complaint> {
        // What had started before the last complaint belongs to it.
        if self.complaint.is_some_and(|last| started < last || now < last + COMPLAINT_EVERY) {
            self.meter.refused += u32::from(self.complaint.is_some_and(|last| started >= last));
            return None;
        }
        self.roll(now);
        self.meter.refused += 1;
        let seen = self.meter.seen(now);
        if seen.refused < self.tolerated() {
            return None;
        }
        self.complaint = Some(now);
        if seen.answers < ANSWERS_MIN {
            return Some(Complaint { accepted: 0.0 });
        }
        if self.complained.by_chance(&seen) {
            self.doubts = (self.doubts + 1).min(DOUBTS_MAX);
        }
        self.complained = seen;
        let present = self.rate(now).unwrap_or(seen.started);
        let curve = if seen.accepted > 0.0 {
            // What was accepted is the ceiling, unless the pace itself was below it.
            let ceiling = seen.accepted.clamp(present * CEILING_MIN, present);
            let again = self.curve.is_some_and(|last| ceiling * SAME > last.ceiling && ceiling < last.ceiling * SAME);
            self.blind = 0;
            Curve { ceiling, depth: 1.0 - START, since: now, plateau: if again { PLATEAU } else { PLATEAU_GUESSED } }
        } else {
            // It says nothing of the ceiling, so the last known one is what the pace comes back to.
            let ceiling = self.curve.map_or(present, |curve| curve.ceiling).max(RATE_MIN);
            let depth = (1.0 - START_BLIND * present / ceiling).clamp(1.0 - START, 1.0);
            let rest = BLIND_REST * 2_u32.pow(self.blind);
            self.blind = (self.blind + 1).min(BLIND_MAX - 1);
            Curve { ceiling, depth, since: now + rest, plateau: PLATEAU }
        };
        self.curve = Some(curve);
        self.meter = Meter { from: now, ..Meter::default() };
        Some(Complaint { accepted: seen.accepted })
    }

    /// The share of refusals that is no complaint.
    fn tolerated(&self) -> f64 {
        TOLERATED * 2.0_f64.powi(self.doubts)
    }

    /// Begins a new span of the meter when it is time, and looks at the curve then.
    fn roll(&mut self, now: Duration) {
        let span = now.saturating_sub(self.meter.from);
        if span < SPAN {
            return;
        }
        let seen = self.meter.seen(now);
        let used = seen.started;
        if seen.refused < self.tolerated() / 2.0 {
            self.doubts = (self.doubts - 1).max(0);
        }
        self.meter.roll(now, span);
        let Some(curve) = &mut self.curve else { return };
        let rate = curve.rate(now);
        if rate > curve.ceiling * FORGOTTEN {
            self.curve = None;
            self.bucket = Bucket::default();
        } else if rate > curve.ceiling && used < rate * USED {
            curve.since = (curve.since + span).min(now);
        }
    }
}

/// Counts over the present span and the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    from: Duration,
    started: u32,
    accepted: u32,
    refused: u32,
    before: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    span: Duration,
    started: u32,
    accepted: u32,
    refused: u32,
}

/// Rates over both spans.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    started: f64,
    /// Zero also where too little time has been seen: the first burst says nothing of a rate.
    accepted: f64,
    /// A share of what was answered.
    refused: f64,
    answers: f64,
}

impl Seen {
    /// Whether what is seen now, at a lower pace, speaks for refusals by chance: then the same share is accepted as before, and
    /// with a ceiling the same number. The truth is the nearer of the two.
    fn by_chance(&self, now: &Self) -> bool {
        let less = if self.started > 0.0 { now.started / self.started } else { 1.0 };
        let (before, accepted) = (1.0 - self.refused, 1.0 - now.refused);
        let nearer = accepted < (before + (before / less).min(1.0)) / 2.0;
        nearer && accepted > 0.0 && less < LESS && now.refused * now.answers >= REFUSALS_MIN
    }
}

impl Meter {
    fn roll(&mut self, now: Duration, span: Duration) {
        // After a rest, what was before says nothing of the present.
        let stale = span >= 2 * SPAN;
        let before = Counts { span, started: self.started, accepted: self.accepted, refused: self.refused };
        *self = Self { from: now, before: if stale { Counts::default() } else { before }, ..Self::default() };
    }

    fn seen(&self, now: Duration) -> Seen {
        let span = (now.saturating_sub(self.from) + self.before.span).max(SPAN_MIN).as_secs_f64();
        let sum = |now: u32, before: u32| f64::from(now) + f64::from(before);
        let (accepted, refused) = (sum(self.accepted, self.before.accepted), sum(self.refused, self.before.refused));
        let known = span >= COMPLAINT_EVERY.as_secs_f64();
        Seen {
            started: sum(self.started, self.before.started) / span,
            accepted: if known { accepted / span } else { 0.0 },
            refused: refused / (accepted + refused).max(1.0),
            answers: accepted + refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_curve_rises_to_its_ceiling_rests_there_and_leaves_it_ever_faster() {
        let curve = Curve { ceiling: 1_000.0, depth: 0.2, since: at(10), plateau: at(4) };
        let rates: Vec<u64> = (10..=30).map(|second| curve.rate(at(second))).map(whole).collect();
        assert_eq!((rates[0], rates[2], rates[4]), (800, 975, 1_000));
        assert_eq!((rates[5], rates[6], rates[8], rates[12]), (1_008, 1_063, 1_500, 5_000));
        assert!(rates.is_sorted());
    }

    fn whole(rate: f64) -> u64 {
        Duration::from_secs_f64(rate + 0.5).as_secs()
    }

    #[test]
    fn without_a_refusal_there_is_no_pace() {
        let mut pace = Pace::default();
        for request in 0..100_000_u32 {
            let now = Duration::from_micros(u64::from(request) * 50);
            assert!(pace.wait(now).is_zero());
            pace.started(now);
            pace.accepted(now);
        }
        assert_eq!(pace.rate(at(5)), None);
    }

    #[test]
    fn a_refusal_in_two_hundred_is_no_complaint_and_one_in_fifty_is() {
        for (every, complains) in [(200, false), (50, true)] {
            let mut pace = Pace::default();
            for request in 1..=5_000_u32 {
                let now = Duration::from_millis(u64::from(request));
                pace.started(now);
                match request % every {
                    0 => drop(pace.refused(now, now)),
                    _ => pace.accepted(now),
                }
            }
            assert_eq!(pace.rate(at(5)).is_some(), complains, "one in {every}");
        }
    }

    #[test]
    fn a_server_that_accepts_nothing_halves_the_pace_each_time_and_keeps_its_ceiling_in_mind() {
        let mut pace = Pace::seeded(1_000.0);
        let mut complaints = 0;
        for refused in 0..200_u32 {
            let now = Duration::from_millis(10) * refused;
            pace.started(now);
            if let Some(complaint) = pace.refused(now, now) {
                assert!(complaint.accepted == 0.0);
                complaints += 1;
            }
        }
        assert_eq!(complaints, 10);
        let end = at(2);
        let rate = pace.rate(end).expect("a pace is kept");
        assert!(rate < 10.0, "{rate}");
        let back = pace.rate(end + BLIND_REST * 2_u32.pow(BLIND_MAX - 1) + PLATEAU).expect("a pace is kept");
        assert!((1_000.0..1_001.0).contains(&back), "{back}");
    }

    #[test]
    fn answers_to_requests_that_were_under_way_together_are_one_complaint() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            pace.started(at(1));
        }
        let complaints = (0..100).filter(|_| pace.refused(at(1), at(2)).is_some()).count();
        assert_eq!(complaints, 1);
    }

    #[test]
    fn a_pace_that_nobody_uses_does_not_grow_and_one_that_holds_without_complaint_is_given_up() {
        let run = |per_second: u32| {
            let mut pace = Pace::seeded(1_000.0);
            for request in 0..per_second * 60 {
                let now = Duration::from_secs(1) * request / per_second;
                pace.started(now);
                pace.accepted(now);
            }
            pace.rate(at(60))
        };
        let idle = run(100).expect("it is still kept");
        assert!((1_000.0..1_100.0).contains(&idle), "{idle}");
        assert_eq!(run(5_000), None);
    }
}
