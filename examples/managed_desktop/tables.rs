//! The output of the program: tables of devices and users, and an elevation request.

use entra_proto::error::printable;
use serde_json::Value;

use crate::common::say;

/// Prints the devices or the users of all pages.
pub(crate) fn list(set: &str, pages: &[Vec<Value>]) {
    let items: Vec<&Value> = pages.iter().flatten().collect();
    say!("{} on {}", counted(items.len(), set), counted(pages.len(), "pages"));
    let rows = items.into_iter();
    if set == "devices" {
        let device = |item: &Value| {
            [
                "name",
                "serialNumber",
                "model",
                "primaryUpdateRing",
                "complianceState",
                "userUpn",
            ]
            .map(|name| text(&item[name]))
        };
        table(
            ["NAME", "SERIAL NUMBER", "MODEL", "RING", "COMPLIANCE", "USER"],
            &rows.map(device).collect::<Vec<_>>(),
        );
    } else {
        let user = |item: &Value| {
            let devices = item["devices"].as_array().into_iter().flatten();
            let devices: Vec<String> = devices.map(|device| text(&device["name"])).collect();
            [text(&item["name"]), text(&item["upn"]), devices.join(", ")]
        };
        table(["NAME", "SIGN-IN NAME", "DEVICES"], &rows.map(user).collect::<Vec<_>>());
    }
}

/// Formats a number with its noun, a plural with an s.
fn counted(number: usize, what: &str) -> String {
    let what = if number == 1 { what.trim_end_matches('s') } else { what };
    format!("{number} {what}")
}

/// Prints the open elevation request of a device.
pub(crate) fn elevation(details: &Value, show_password: bool) {
    let password = match (details["password"].as_str(), show_password) {
        (None, _) => "-".to_owned(),
        (Some(_), false) => "[not shown: --show-password]".to_owned(),
        (Some(password), true) => printable(password),
    };
    for (label, value) in [
        ("device", text(&details["deviceName"])),
        ("request", text(&details["openedElevationRequestId"])),
        ("status", text(&details["status"])),
        ("account", text(&details["accountUpn"])),
        ("password", password),
    ] {
        say!("{label:<9} {value}");
    }
}

/// Makes a value of the API safe to display.
fn text(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    if text.is_empty() {
        "-".to_owned()
    } else {
        printable(text)
    }
}

/// Prints rows with columns as wide as their longest texts.
fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    if rows.is_empty() {
        return;
    }
    let head = head.map(str::to_owned);
    let mut widths = [0; N];
    for row in rows.iter().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in [&head].into_iter().chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        say!("  {}", cells.join("  ").trim_end());
    }
}
