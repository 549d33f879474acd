//! The script: the faults that wait for a matching request.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use crate::state::fault::Fault;
use crate::state::lock::lock;

/// The faults that wait for a matching request, in order.
#[derive(Debug, Default)]
pub(crate) struct Script {
    waiting: Mutex<VecDeque<Fault>>,
}

impl Script {
    pub(crate) fn push(&self, fault: Fault) {
        self.waiting().push_back(fault);
    }

    /// Adds a fault unless `most` faults are already waiting. Returns whether it was added.
    pub(crate) fn push_within(&self, most: usize, fault: Fault) -> bool {
        let mut waiting = self.waiting();
        let has_room = waiting.len() < most;
        if has_room {
            waiting.push_back(fault);
        }
        has_room
    }

    pub(crate) fn clear(&self) {
        self.waiting().clear();
    }

    /// Returns the waiting faults in order.
    pub(crate) fn list(&self) -> Vec<Fault> {
        let waiting = self.waiting();
        waiting.iter().filter(|fault| fault.left != Some(0)).cloned().collect()
    }

    /// Takes the first fault that applies to a request with this path.
    pub(crate) fn take(&self, path: &str) -> Option<Fault> {
        let mut waiting = self.waiting();
        waiting.retain(|fault| fault.left != Some(0));
        let path = path.to_ascii_lowercase();
        let matches = |part: &str| path.contains(&part.to_ascii_lowercase());
        let at = waiting
            .iter_mut()
            .enumerate()
            .position(|(at, fault)| fault.path.as_deref().is_none_or(matches) && fault.is_drawn(at as u64))?;
        let fault = waiting.get_mut(at)?;
        if let Some(left) = &mut fault.left {
            *left -= 1;
        }
        let played = fault.clone();
        if fault.left == Some(0) {
            waiting.remove(at);
        }
        Some(played)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Fault>> {
        lock(&self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_apply_in_order_to_their_path_only() {
        let script = Script::default();
        script.push(Fault::status(503).on("/token").times(2));
        script.push(Fault::reset());
        assert_eq!(script.take("/keys").map(|fault| fault.name()), Some("reset"));
        assert_eq!(script.take("/x/token").map(|fault| fault.name()), Some("status"));
        assert_eq!(script.take("/X/Token").map(|fault| fault.name()), Some("status"));
        assert!(script.take("/x/token").is_none());
        script.push(Fault::status(500).always());
        assert!(script.take("/").is_some() && script.take("/").is_some());
        script.push(Fault::status(500).times(0));
        script.clear();
        assert!(script.take("/").is_none());
    }
}
