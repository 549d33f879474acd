//! A bound on the effects of one machine, for builds with debug assertions.

/// A counter of effects: a machine that never ends panics after [`MAX_TURNS`] effects, so that no
/// test has to run into its time limit.
///
/// No real acquisition comes close. A device code that is polled each second for its 15 minutes
/// takes about 1,800 effects.
#[derive(Default)]
pub(crate) struct TurnLimit {
    turns: u32,
}

impl TurnLimit {
    /// Counts an effect, with the name of the machine's state.
    ///
    /// Panics if the limit is exceeded. Does nothing in builds without debug assertions.
    pub(crate) fn count(&mut self, state: &str) {
        if cfg!(debug_assertions) {
            self.turns += 1;
            let turns = self.turns;
            assert!(
                turns <= MAX_TURNS,
                "the machine does not end: effect {turns} is {state}"
            );
        }
    }
}

const MAX_TURNS: u32 = 10_000;

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "the machine does not end: effect 10001 is Join")]
    fn endless_machine_panics_with_its_state() {
        let mut limit = TurnLimit::default();
        for _ in 0..=MAX_TURNS {
            limit.count("Join");
        }
    }
}
