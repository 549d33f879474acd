//! Windows: the times to list content for.

use std::time::Duration;

use entra_proto::Timestamp;

use crate::sink::Window;

/// The windows of one content type in one round.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// From the resume point to now, oldest first, each of at most 24 hours.
    pub(super) windows: Vec<Window>,
    /// A time that was never collected, and that the API does not list any more.
    pub(super) gap: Option<Window>,
}

/// Plans the windows up to `now`. They start at `finished`, the end of the last finished window, less the overlap; for a tenant
/// without one, `since` before now. The API lists 7 days.
pub(super) fn plan(now: Timestamp, finished: Option<Timestamp>, since: Duration, overlap: Duration) -> Plan {
    let now = Timestamp::from_secs(now.as_secs());
    let floor = now.minus(FLOOR);
    let wanted = finished.map_or_else(|| now.minus(since), |finished| finished.minus(overlap));
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
    Plan { windows, gap }
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A little less than the 7 days that the API lists: requests take time, and its clock is not this one.
const FLOOR: Duration = Duration::from_secs(7 * 24 * 3600 - 300);

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
    fn windows_stop_at_seven_days_and_the_gap_is_known() {
        let floor = FLOOR.as_secs();
        let (windows, gap) = planned(Some(10 * 24 * HOUR), 24 * HOUR, HOUR);
        assert_eq!(gap, Some((10 * 24 * HOUR, floor)));
        assert_eq!((windows[0].0, windows.len(), windows[6].1), (floor, 7, 0));
        // What the overlap alone reaches was collected.
        assert_eq!(planned(Some(floor), 24 * HOUR, HOUR).1, None);
        assert_eq!(planned(None, 7 * 24 * HOUR, HOUR).1, None);
    }

    #[test]
    fn a_clock_that_was_set_back_plans_nothing() {
        let later = Timestamp::from_secs(NOW + 9999);
        let plan = plan(
            Timestamp::from_secs(NOW),
            Some(later),
            Duration::ZERO,
            Duration::from_secs(60),
        );
        assert_eq!(
            plan,
            Plan {
                windows: vec![],
                gap: None
            }
        );
    }
}
