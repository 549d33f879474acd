//! The floors of a crate: a file may import those of its own room and of the floors below.

use crate::shape::graph::Graph;

/// Returns the imports that lead up, or into another room of the same floor.
pub(super) fn check(folder: &str, graph: &Graph) -> Vec<String> {
    let Some((_, floors)) = FLOORS.iter().find(|(of, _)| *of == folder) else {
        return Vec::new();
    };
    judge(folder, graph, floors)
}

fn judge(folder: &str, graph: &Graph, floors: &[&[&str]]) -> Vec<String> {
    let mut findings = Vec::new();
    for (from, to, place) in graph.imports() {
        let (Some((floor, own)), Some((other_floor, other))) = (room(folder, from, floors), room(folder, to, floors))
        else {
            continue;
        };
        if own != other && floor <= other_floor {
            findings.push(format!(
                "{place} of {to}: {own} stands on no floor above {other}, so it may not import it"
            ));
        }
    }
    findings
}

/// The floor and the room of a file.
fn room<'f>(folder: &str, file: &str, floors: &[&'f [&'f str]]) -> Option<(usize, &'f str)> {
    let file = file.strip_prefix(folder)?.strip_prefix('/')?;
    let mut rooms = floors
        .iter()
        .enumerate()
        .flat_map(|(floor, rooms)| rooms.iter().map(move |room| (floor, *room)));
    rooms.find(|(_, room)| file.starts_with(room))
}

/// The floors of a crate, from the lowest to the highest, each with its rooms. Files in no room are free.
const FLOORS: &[(&str, &[&[&str]])] = &[(
    "crates/entra-emulator/src",
    &[
        &["config/"],
        &["state/"],
        &["exchange.rs"],
        &["bearer.rs"],
        &["protocol/", "api/", "landing/"],
        &["router.rs"],
        &["headless.rs", "forge/"],
        &["control/"],
        &["server/"],
        &["emulator/"],
    ],
)];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::shape::graph::module_of;
    use crate::source::Source;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<_> = files.iter().map(|(_, code)| Source::read(code)).collect();
        let files = files
            .iter()
            .zip(&sources)
            .map(|((file, _), source)| (format!("a/src/{file}"), module_of(Path::new(file)), source));
        judge("a/src", &Graph::new(files), &[&["state/"], &["protocol/", "api/"]])
    }

    #[test]
    fn imports_lead_down() {
        let files = [
            ("lib.rs", ""),
            ("state/mod.rs", "use crate::leaf::L;"),
            ("state/keys.rs", "use crate::state::S;"),
            ("protocol/mod.rs", "use crate::state::keys::K;"),
            ("leaf.rs", "use crate::protocol::P;"),
        ];
        assert_eq!(findings(&files), [""; 0]);
    }

    #[test]
    fn imports_up_and_across_are_findings() {
        let files = [
            ("lib.rs", ""),
            ("state/mod.rs", "fn f() { crate::protocol::p() }"),
            ("protocol/mod.rs", "use crate::api::A;"),
            ("api/mod.rs", ""),
        ];
        assert_eq!(
            findings(&files),
            [
                "a/src/state/mod.rs:1: crate::protocol::p of a/src/protocol/mod.rs: state/ stands on no floor above protocol/, \
                 so it may not import it",
                "a/src/protocol/mod.rs:1: crate::api::A of a/src/api/mod.rs: protocol/ stands on no floor above api/, so it may \
                 not import it",
            ]
        );
    }
}
