//! Circles of imports: files of one crate that need one another, directly or through others.

use crate::shape::graph::{Circle, Graph};

/// The most files that a circle may have.
const MOST: usize = 4;

/// Returns the circles of more than [`MOST`] files below `folder`, each with the imports that make
/// it.
pub(super) fn check(folder: &str, graph: &Graph) -> Vec<String> {
    judge(folder, &graph.circles(), LARGER)
}

/// Compares the circles below `folder` with the limit, or with the folder's own. A limit of its own
/// that nothing needs is a finding too, so that the list stays true.
fn judge(folder: &str, circles: &[Circle], larger: &[(&str, usize, &str)]) -> Vec<String> {
    let exception = larger.iter().find(|(of, ..)| *of == folder);
    let most = exception.map_or(MOST, |(_, most, _)| *most);
    let mut findings: Vec<String> = circles
        .iter()
        .filter(|circle| circle.files.len() > most)
        .map(|circle| circle.in_words(most))
        .collect();
    let largest = circles
        .iter()
        .map(|circle| circle.files.len())
        .max()
        .unwrap_or(0)
        .max(MOST);
    if exception.is_some() && largest < most {
        findings.push(format!(
            "{folder} has no circle of more than {largest} files: lower its row in LARGER (xtask/src/shape/circles.rs), or take it out"
        ));
    }
    findings
}

/// The folders whose circles may be larger, with their limits and the reasons.
const LARGER: &[(&str, usize, &str)] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_limits_hold_only_while_they_are_needed() {
        let circle = |files: usize| Circle {
            files: vec![String::new(); files],
            imports: Vec::new(),
        };
        let own = [("a/src", 9, "errors know every request")];
        for (folder, sizes, findings) in [
            ("b/src", vec![4, 2], 0),
            ("b/src", vec![5, 2, 6], 2),
            ("a/src", vec![9, 5], 0),
            ("a/src", vec![10], 1),
            ("a/src", vec![8], 1),
            ("a/src", vec![], 1),
        ] {
            let circles: Vec<_> = sizes.iter().copied().map(circle).collect();
            assert_eq!(judge(folder, &circles, &own).len(), findings, "{folder} {sizes:?}");
        }
    }
}
