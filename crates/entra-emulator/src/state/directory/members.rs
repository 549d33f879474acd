//! Completion of groups and managed devices, and resolution of the members they name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::Error;
use crate::config::{App, Group, ManagedDevice, Tenant, UpdateRing, User};
use crate::seed::Generator;
use crate::state::directory::fill::{fill_guid, unique};

/// Completes groups and managed devices. The names of members and assigned users become object IDs.
pub(super) fn fill(seed: u64, tenants: &mut [Tenant], apps: &[App]) -> Result<(), Error> {
    for (at, tenant) in tenants.iter_mut().enumerate() {
        let users = tenant.users.as_deref().unwrap_or_default();
        let groups = tenant.groups.get_or_insert_with(|| made_up_groups(users));
        let mut generator = Generator::named(seed, &format!("groups {at}"));
        for (number, group) in groups.iter_mut().enumerate() {
            fill_guid(&mut group.id, &mut generator, || {
                format!("tenants[{at}].groups[{number}].id")
            })?;
            if group.display_name.is_empty() {
                group.display_name = format!("group{number}");
            }
            let letters = || {
                group
                    .display_name
                    .chars()
                    .filter(|character| character.is_alphanumeric())
            };
            let nickname = group.mail_nickname.get_or_insert_with(|| letters().collect());
            if group.microsoft_365 && group.mail.is_none() {
                group.mail = Some(format!("{nickname}@{}", tenant.domain));
            }
        }
        unique(groups.iter().map(|group| &group.id), "group id")?;
        let users = Names::of_users(users);
        let mut names = Names(users.0.clone());
        for group in groups.iter() {
            names.add(&group.id, [&group.id, &group.display_name]);
        }
        for app in apps {
            let id = &app.service_principal_id;
            names.add(id, [id, &app.client_id, &app.name]);
        }
        for (number, group) in groups.iter_mut().enumerate() {
            for (at_member, member) in group.members.iter_mut().enumerate() {
                let place = || format!("tenants[{at}].groups[{number}].members[{at_member}]");
                let id = names.find(member).map_err(|what| failed(&place(), what))?;
                if id == group.id {
                    return Err(failed(&place(), "a group cannot be a member of itself"));
                }
                *member = id.to_owned();
            }
            unique(group.members.iter(), "member of a group")?;
        }
        let devices = tenant
            .managed_devices
            .get_or_insert_with(|| made_up_devices(seed, at, tenant.users.as_deref().unwrap_or_default()));
        let mut generator = Generator::named(seed, &format!("managed devices {at}"));
        // Consecutive numbers, so that none occurs twice.
        let (first_name, first_serial) = (generator.next() % 90_000_000_000, generator.next() % 900_000_000_000);
        for (number, device) in devices.iter_mut().enumerate() {
            if device.name.is_empty() {
                device.name = format!("MMD-{:011}", first_name + number as u64);
            }
            if device.serial_number.is_empty() {
                device.serial_number = format!("{:012}", first_serial + number as u64);
            }
            if let Some(name) = &device.user {
                let place = || format!("tenants[{at}].managed_devices[{number}].user");
                let id = users.find(name).map_err(|what| failed(&place(), what))?;
                device.user = Some(id.to_owned());
            }
        }
        unique(devices.iter().map(|device| &device.name), "device name")?;
    }
    Ok(())
}

/// The object IDs of all possible members, by each of their names.
#[derive(Default)]
struct Names(HashMap<String, Named>);

#[derive(Clone)]
enum Named {
    One(String),
    Several,
}

impl Names {
    fn of_users(users: &[User]) -> Self {
        let mut names = Self::default();
        for user in users {
            names.add(&user.id, [&user.id, &user.user_principal_name]);
        }
        names
    }

    fn add<const N: usize>(&mut self, id: &str, names: [&String; N]) {
        for name in names {
            match self.0.entry(name.to_ascii_lowercase()) {
                Entry::Vacant(vacant) => {
                    vacant.insert(Named::One(id.to_owned()));
                }
                Entry::Occupied(mut occupied) => {
                    if matches!(occupied.get(), Named::One(known) if known != id) {
                        occupied.insert(Named::Several);
                    }
                }
            }
        }
    }

    fn find(&self, name: &str) -> Result<&str, &'static str> {
        match self.0.get(&name.to_ascii_lowercase()) {
            Some(Named::One(id)) => Ok(id),
            Some(Named::Several) => Err("several objects have this name: use an object ID"),
            None => Err("nothing in the tenant has this ID or name"),
        }
    }
}

/// Returns an error that does not repeat the name, because it may be a misplaced secret.
fn failed(place: &str, what: &str) -> Error {
    Error::Config(format!("{place}: {what}"))
}

fn made_up_groups(users: &[User]) -> Vec<Group> {
    let of = |group: Group, members: &[User]| Group {
        members: members.iter().map(|user| user.id.clone()).collect(),
        ..group
    };
    let team = Group {
        description: Some("The sales and marketing team".to_owned()),
        ..Group::new("Sales and Marketing").microsoft_365()
    };
    vec![
        of(Group::new("All Employees"), users),
        of(team, users.get(..users.len().min(2)).unwrap_or_default()),
    ]
}

fn made_up_devices(seed: u64, tenant: usize, users: &[User]) -> Vec<ManagedDevice> {
    let mut generator = Generator::named(seed, &format!("made-up devices {tenant}"));
    let mut pick = |number: usize| (generator.next() % number as u64) as usize;
    let devices = users.iter().enumerate().map(|(at, user)| ManagedDevice {
        model: Some(MODELS[pick(MODELS.len())].to_owned()),
        update_ring: Some(RINGS[pick(RINGS.len())]),
        elevated: at == 0,
        ..ManagedDevice::default().user(&user.id)
    });
    devices.collect()
}

const MODELS: [&str; 4] = ["Surface Laptop", "Surface Pro", "Surface Book", "Virtual Machine"];
const RINGS: [UpdateRing; 4] = [UpdateRing::Test, UpdateRing::First, UpdateRing::Fast, UpdateRing::Broad];
