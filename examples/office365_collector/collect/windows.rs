//! Windows: the time ranges whose content is listed.

use std::time::Duration;

use entra_proto::Timestamp;

use crate::sink::Window;

/// The windows of one content type in one round.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// From the resume point to now, oldest first, each of at most 24 hours.
    pub(super) windows: Vec<Window>,
    /// A time range that was never collected, and that the API no longer lists.
    pub(super) gap: Option<Window>,
    /// True if the resume point is in the future, as after a run with a wrong clock. Then the
    /// windows reach back as far as the API lists: otherwise, content that appeared after its time
    /// was listed would be lost.
    pub(super) is_ahead: bool,
}

/// Plans the windows up to `now`. They start at `finished`, the end of the last finished window,
/// minus the overlap; for a tenant without one, at `since` before now. The API lists 7 days.
pub(super) fn plan(now: Timestamp, finished: Option<Timestamp>, since: Duration, overlap: Duration) -> Plan {
    let now = Timestamp::from_secs(now.as_secs());
    let floor = now.minus(FLOOR);
    let is_ahead = finished.is_some_and(|finished| finished.since(now) > MOST_AHEAD);
    let wanted = match finished {
        Some(_) if is_ahead => floor,
        Some(finished) => finished.minus(overlap),
        None => now.minus(since),
    };
    let mut start = Timestamp::from_secs(wanted.max(floor).as_secs());
    let gap = finished.filter(|finished| *finished < floor).map(|finished| Window {
        start: finished,
        end: floor,
    });
    let mut windows = Vec::new();
    while start < now {
        let end = start.plus(DAY).min(now);
        windows.push(Window { start, end });
        start = end;
    }
    Plan { windows, gap, is_ahead }
}

/// Returns the two halves of a window, or `None` if it is a second long.
pub(super) fn halves(window: Window) -> Option<[Window; 2]> {
    let half = window.end.since(window.start).as_secs() / 2;
    let middle = window.start.plus(Duration::from_secs(half));
    let halves = [
        Window { end: middle, ..window },
        Window {
            start: middle,
            ..window
        },
    ];
    (half > 0).then_some(halves)
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Slightly less than the 7 days that the API lists: requests take time, and clocks differ.
const FLOOR: Duration = Duration::from_secs(7 * 24 * 3600 - 300);
/// The clocks of the API's servers differ a little.
const MOST_AHEAD: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const HOUR: u64 = 3600;

    /// Start and end of a window, in seconds before now.
    type Ago = (u64, u64);

    fn planned(finished: Option<u64>, since: u64, overlap: u64) -> (Vec<Ago>, Option<Ago>) {
        let at = Timestamp::from_secs;
        let plan = plan(
            at(NOW),
            finished.map(|ago| at(NOW - ago)),
            Duration::from_secs(since),
            Duration::from_secs(overlap),
        );
        let ago = |window: Window| (NOW - window.start.as_secs(), NOW - window.end.as_secs());
        (plan.windows.into_iter().map(ago).collect(), plan.gap.map(ago))
    }

    #[test]
    fn windows_reach_from_the_resume_point_to_now() {
        assert_eq!(planned(None, 24 * HOUR, HOUR), (vec![(24 * HOUR, 0)], None));
        assert_eq!(planned(None, 24 * HOUR + 1, HOUR).0, [(24 * HOUR + 1, 1), (1, 0)]);
        assert_eq!(planned(Some(HOUR), 24 * HOUR, 2 * HOUR), (vec![(3 * HOUR, 0)], None));
        assert_eq!(
            planned(Some(30 * HOUR), 24 * HOUR, 0).0,
            [(30 * HOUR, 6 * HOUR), (6 * HOUR, 0)]
        );
        assert_eq!(planned(Some(0), 24 * HOUR, 0), (vec![], None));
        assert_eq!(planned(None, 0, 0), (vec![], None));
    }

    #[test]
    fn windows_stop_at_seven_days_and_the_gap_is_reported() {
        let floor = FLOOR.as_secs();
        let (windows, gap) = planned(Some(10 * 24 * HOUR), 24 * HOUR, HOUR);
        assert_eq!(gap, Some((10 * 24 * HOUR, floor)));
        assert_eq!((windows[0].0, windows.len(), windows[6].1), (floor, 7, 0));
        // The time that only the overlap reaches was collected.
        assert_eq!(planned(Some(floor), 24 * HOUR, HOUR).1, None);
        assert_eq!(planned(None, 7 * 24 * HOUR, HOUR).1, None);
    }

    #[test]
    fn future_resume_point_leads_back_to_the_floor() {
        let plan_from = |ahead: u64| {
            let (now, overlap) = (Timestamp::from_secs(NOW), Duration::from_secs(60));
            plan(now, Some(Timestamp::from_secs(NOW + ahead)), Duration::ZERO, overlap)
        };
        let close = plan_from(300);
        assert!(close.windows.is_empty() && close.gap.is_none() && !close.is_ahead);
        for ahead in [301, 9999, 100 * 365 * 86_400, u64::MAX - NOW] {
            let plan = plan_from(ahead);
            assert!(plan.is_ahead && plan.gap.is_none());
            let first = plan.windows[0].start.as_secs();
            assert_eq!((first, plan.windows.len()), (NOW - FLOOR.as_secs(), 7));
            assert_eq!(plan.windows[6].end, Timestamp::from_secs(NOW));
        }
    }

    #[test]
    fn halves_meet_and_end_at_one_second() {
        let at = Timestamp::from_secs;
        let window = |start, end| Window {
            start: at(start),
            end: at(end),
        };
        assert_eq!(halves(window(10, 13)), Some([window(10, 11), window(11, 13)]));
        assert_eq!(halves(window(10, 12)), Some([window(10, 11), window(11, 12)]));
        assert_eq!(halves(window(10, 11)), None);
        assert_eq!(halves(window(10, 10)), None);
    }
}
