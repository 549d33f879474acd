//! The managed devices of a tenant, and the users that they are assigned to.

use std::collections::HashMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::api::managed_desktop::denial::Denial;
use crate::api::managed_desktop::query::Options;
use crate::bearer::Caller;
use crate::config::{ManagedDevice, User};
use crate::exchange::Exchange;
use crate::seed::Generator;
use crate::time::{graph_date, unix};

/// Returns the devices that match a search by name, serial number, global ID or assigned user.
pub(super) fn list(exchange: &Exchange<'_>, caller: &Caller<'_>, options: &Options) -> Vec<Value> {
    let users = users_by_id(caller);
    let devices = devices(caller).iter().filter(|device| {
        let user = user_of(device, &users);
        let ids = Ids::of(exchange, caller, device);
        let of_user = user
            .iter()
            .flat_map(|user| [user.user_principal_name.as_str(), user.address()]);
        let own = [device.name.as_str(), &device.serial_number, &ids.global];
        options.finds(own.into_iter().chain(of_user))
    });
    devices.map(|device| shown(exchange, caller, device, &users)).collect()
}

pub(super) fn device(exchange: &Exchange<'_>, caller: &Caller<'_>, name: &str) -> Result<Value, Denial> {
    let device = find(caller, name)?;
    Ok(shown(exchange, caller, device, &users_by_id(caller)))
}

/// Returns the users with devices that match a search by name, address, or a device's name or
/// serial number.
pub(super) fn users(caller: &Caller<'_>, options: &Options) -> Vec<Value> {
    let devices = devices_by_user(caller);
    let users = caller.tenant.users.iter().flatten();
    let with_devices = users.filter_map(|user| Some((user, devices.get(user.id.as_str())?)));
    let found = with_devices.filter(|(user, devices)| {
        let own = [user.display_name.as_str(), &user.user_principal_name, user.address()];
        let of_devices = devices
            .iter()
            .flat_map(|device| [device.name.as_str(), &device.serial_number]);
        options.finds(own.into_iter().chain(of_devices))
    });
    found.map(|(user, devices)| shown_user(user, devices)).collect()
}

pub(super) fn user(caller: &Caller<'_>, name: &str) -> Result<Value, Denial> {
    let devices = devices_by_user(caller);
    let mut users = caller.tenant.users.iter().flatten();
    let user = users.find(|user| user.user_principal_name.eq_ignore_ascii_case(name));
    let found = user.and_then(|user| Some((user, devices.get(user.id.as_str())?)));
    let (user, devices) = found.ok_or_else(|| Denial::not_found("This user does not exist."))?;
    Ok(shown_user(user, devices))
}

/// Returns the open elevation request of a device, with the password of its local account.
pub(super) fn elevation(exchange: &Exchange<'_>, caller: &Caller<'_>, name: &str) -> Result<Value, Denial> {
    let device = find(caller, name)?;
    if !device.elevated {
        return Err(Denial::not_found("This device has no open elevation request."));
    }
    let mut generator = generator(exchange, caller, device, "elevation");
    let ids = Ids::of(exchange, caller, device);
    let users = users_by_id(caller);
    Ok(json!({
        "tenantId": caller.tenant.id,
        "deviceName": device.name,
        "openedElevationRequestId": generator.guid(),
        "aadDeviceId": ids.aad,
        "accountUpn": user_of(device, &users).map(|user| &user.user_principal_name),
        "password": generator.secret(),
        "passwordLastUpdated": time(Some(exchange.now)),
        "status": "PasswordSucceeded",
        "isPasswordChanged": false,
        "viewedBy": ["System"],
    }))
}

fn find<'a>(caller: &Caller<'a>, name: &str) -> Result<&'a ManagedDevice, Denial> {
    let found = devices(caller)
        .iter()
        .find(|device| device.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| Denial::not_found("This device does not exist."))
}

fn shown(exchange: &Exchange<'_>, caller: &Caller<'_>, device: &ManagedDevice, users: &Users<'_>) -> Value {
    let user = user_of(device, users);
    let ids = Ids::of(exchange, caller, device);
    let age = device
        .enrolled
        .and_then(|enrolled| exchange.now.duration_since(enrolled).ok());
    json!({
        "name": device.name,
        "intuneId": ids.intune,
        "manufacturer": device.manufacturer.as_deref().unwrap_or("Microsoft Corporation"),
        "model": device.model(),
        "serialNumber": device.serial_number,
        "globalDeviceId": ids.global,
        "enrolledIntoIntuneDateTimeUtc": time(device.enrolled),
        "tenantId": caller.tenant.id,
        "tenantName": null,
        "assignedUser": user.map(|user| &user.display_name),
        "userUpn": user.map(|user| &user.user_principal_name),
        "userEmail": user.map(|user| user.address()),
        "complianceState": device.compliance_state.as_deref().unwrap_or("Compliant"),
        "osVersion": device.os_version.as_deref().unwrap_or("10.0.19043.1586"),
        "primaryUpdateRing": device.ring(),
        "lastIntuneSyncDateTimeUtc": time(device.last_sync),
        "ageInMonths": age.map_or(0.0, |age| age.as_secs_f64() / SECONDS_OF_MONTH),
        "planType": "Premium",
        "persona": "Standard",
        "aadDeviceId": ids.aad,
        "managementAgent": "Intune",
        "operatingSystemEdition": "Enterprise",
        "profileAssignmentStatus": "Successful",
        "groups": [],
        "configurations": [],
    })
}

fn shown_user(user: &User, devices: &[&ManagedDevice]) -> Value {
    let devices = devices.iter().map(|device| {
        json!({
            "serialNumber": device.serial_number,
            "name": device.name,
            "model": device.model(),
            "ring": device.ring(),
            "lastIntuneSyncTime": time(device.last_sync),
        })
    });
    json!({
        "name": user.display_name,
        "upn": user.user_principal_name,
        "email": user.address(),
        "groups": [],
        "devices": devices.collect::<Vec<_>>(),
    })
}

/// The IDs of a device in other services, derived from the seed and the name.
struct Ids {
    intune: String,
    global: String,
    aad: String,
}

impl Ids {
    fn of(exchange: &Exchange<'_>, caller: &Caller<'_>, device: &ManagedDevice) -> Self {
        let mut generator = generator(exchange, caller, device, "device");
        Self {
            intune: generator.guid(),
            global: format!("g:{}", generator.next()),
            aad: generator.guid(),
        }
    }
}

fn generator(exchange: &Exchange<'_>, caller: &Caller<'_>, device: &ManagedDevice, what: &str) -> Generator {
    let name = format!("{what} {} {}", caller.tenant.id, device.name);
    Generator::named(exchange.state.seed, &name)
}

type Users<'a> = HashMap<&'a str, &'a User>;

fn users_by_id<'a>(caller: &Caller<'a>) -> Users<'a> {
    let users = caller.tenant.users.iter().flatten();
    users.map(|user| (user.id.as_str(), user)).collect()
}

fn user_of<'a>(device: &ManagedDevice, users: &Users<'a>) -> Option<&'a User> {
    users.get(device.user.as_deref()?).copied()
}

fn devices_by_user<'a>(caller: &Caller<'a>) -> HashMap<&'a str, Vec<&'a ManagedDevice>> {
    let mut by_user: HashMap<&str, Vec<&ManagedDevice>> = HashMap::new();
    for device in devices(caller) {
        if let Some(user) = &device.user {
            by_user.entry(user).or_default().push(device);
        }
    }
    by_user
}

fn devices<'a>(caller: &Caller<'a>) -> &'a [ManagedDevice] {
    caller.tenant.managed_devices.as_deref().unwrap_or_default()
}

fn time(time: Option<SystemTime>) -> Option<String> {
    time.map(|time| format!("{}Z", graph_date(unix(time))))
}

const SECONDS_OF_MONTH: f64 = 30.44 * 86_400.0;
