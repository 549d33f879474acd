//! The amount of data to collect.

use std::time::Duration;

use entra_emulator::{ActivityFeed, App, ContentType, Emulator, EmulatorBuilder};

/// The tenants, contents and records of a run, and what happens to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) tenants: u32,
    /// Of each tenant, in all content types together.
    pub(crate) contents: u32,
    pub(crate) records: u32,
    /// The number of kills of the collector.
    pub(crate) kills: u32,
    /// Minutes after which the run is given up.
    pub(crate) minutes: u32,
}

impl Load {
    pub(crate) const FULL: Self = Self {
        tenants: 50,
        contents: 2_000,
        records: 100,
        kills: 20,
        minutes: 60,
    };

    /// The load with what the options change.
    pub(crate) fn with(mut self, options: &[&str]) -> Result<Self, String> {
        let load = &mut self;
        for pair in options.chunks(2) {
            let [name, value] = pair else {
                return Err(format!("{} needs a number", pair[0]));
            };
            let number = value.parse().map_err(|_| format!("{name} needs a number"))?;
            let member = match *name {
                "--tenants" => &mut load.tenants,
                "--contents" => &mut load.contents,
                "--records" => &mut load.records,
                "--kills" => &mut load.kills,
                "--minutes" => &mut load.minutes,
                _ => return Err(format!("there is no option {name}")),
            };
            *member = number;
        }
        if load.tenants < 2 || load.contents < TYPES.len() as u32 || load.records == 0 {
            return Err("at least 2 tenants, 4 contents and 1 record are expected".to_owned());
        }
        Ok(self)
    }

    /// The contents of each content type.
    pub(crate) fn contents_of_a_type(&self) -> u32 {
        self.contents / TYPES.len() as u32
    }

    pub(crate) fn all_records(&self) -> f64 {
        f64::from(self.tenants) * f64::from(self.contents_of_a_type() * TYPES.len() as u32) * f64::from(self.records)
    }

    pub(crate) fn feed(&self) -> ActivityFeed {
        let feed = ActivityFeed::new()
            .contents(self.contents_of_a_type())
            .records(self.records)
            .span(Duration::from_secs(20 * 3_600))
            .requests_per_minute(u32::MAX);
        TYPES.into_iter().fold(feed, ActivityFeed::content_type)
    }

    pub(crate) fn emulator(&self, feed: ActivityFeed) -> EmulatorBuilder {
        let app = App::new("collector")
            .multi_tenant()
            .consented_everywhere()
            .grant(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read");
        Emulator::builder()
            .tenant_count(self.tenants)
            .app(app)
            .activity(feed)
            .recorded_requests(10)
    }
}

pub(crate) const TYPES: [ContentType; 4] = [
    ContentType::AzureActiveDirectory,
    ContentType::Exchange,
    ContentType::SharePoint,
    ContentType::General,
];

pub(crate) const USAGE: &str =
    "cargo xtask soak --collector [--tenants 50] [--contents 2000] [--records 100] [--kills 20] \
     [--minutes 60]

The full load writes about 10 GB below target/tmp, which is removed at the end.";
