//! Audit records, written directly as JSON bytes because tests read millions of them.

use crate::api::activity::resources::SENSITIVE_TYPES;
use crate::config::{ContentType, Tenant, User};
use crate::seed::{Generator, push_guid};
use crate::state::feed::{Contents, IDENTIFIED};
use crate::time::push_date_time;

/// Returns the records of a content as a JSON array.
pub(super) fn array(tenant: &Tenant, content_type: ContentType, contents: &Contents<'_>, index: u64) -> Vec<u8> {
    let records = contents.records(index);
    let mut out = Vec::with_capacity(records as usize * 1_024 + 2);
    out.push(b'[');
    for place in 0..records {
        if place > 0 {
            out.push(b',');
        }
        let (content, place) = contents.original(index, place);
        let key = contents.record_key(content, place);
        let mut record = Record {
            out: &mut out,
            random: Generator::new(key),
            tenant,
            key,
            time: contents.created(content),
        };
        record.write(content_type, contents.number(content, place));
    }
    out.push(b']');
    out
}

/// A record that is being written.
struct Record<'a> {
    out: &'a mut Vec<u8>,
    /// The source of all values that the configuration does not set.
    random: Generator,
    tenant: &'a Tenant,
    key: u64,
    /// The creation time of the record's content, in seconds since the Unix epoch.
    time: u64,
}

/// The values that all records of one operation share.
struct Kind {
    operation: &'static str,
    record_type: &'static str,
    workload: &'static str,
    result: &'static str,
}

impl Record<'_> {
    /// Writes the record with this number within its tenant and content type. Users alternate.
    fn write(&mut self, content_type: ContentType, number: u64) {
        let kinds = match content_type {
            ContentType::AzureActiveDirectory => DIRECTORY,
            ContentType::Exchange => EXCHANGE,
            ContentType::SharePoint => SHARE_POINT,
            ContentType::General => GENERAL,
            ContentType::Dlp => DLP,
        };
        let kind = self.one_of(kinds);
        let users = self.tenant.users.as_deref().unwrap_or_default();
        let no_user = User::default();
        let turn = number.checked_rem(users.len() as u64);
        let user = turn.and_then(|turn| users.get(turn as usize)).unwrap_or(&no_user);
        self.head(kind, user);
        match content_type {
            ContentType::AzureActiveDirectory => self.directory(user),
            ContentType::Exchange => self.exchange(user),
            ContentType::SharePoint => self.share_point(user),
            ContentType::General => self.general(kind),
            ContentType::Dlp => self.dlp(user),
        }
        self.out.push(b'}');
    }

    fn head(&mut self, kind: &Kind, user: &User) {
        // An event happens some time before the content that holds its record is created.
        let happened = self.time.saturating_sub(300 + self.random.next() % 5_400);
        self.raw("{\"CreationTime\":\"");
        push_date_time(self.out, happened);
        self.raw("\",\"Id\":\"");
        push_guid(self.out, &mut Generator::new(self.key ^ IDENTIFIED));
        self.raw("\",\"Operation\":\"");
        self.raw(kind.operation);
        self.raw("\",\"OrganizationId\":\"");
        self.raw(&self.tenant.id);
        self.raw("\",\"RecordType\":");
        self.raw(kind.record_type);
        self.raw(",\"ResultStatus\":\"");
        self.raw(kind.result);
        self.raw("\",\"UserKey\":\"");
        self.raw(&user.id);
        self.raw("\",\"UserType\":0,\"Version\":1,\"Workload\":\"");
        self.raw(kind.workload);
        self.raw("\",\"ClientIP\":\"");
        self.address();
        self.raw("\",\"UserId\":");
        self.text(&user.user_principal_name);
    }

    fn directory(&mut self, user: &User) {
        self.raw(",\"ObjectId\":\"");
        self.guid();
        self.raw("\",\"AzureActiveDirectoryEventType\":1,\"ExtendedProperties\":[{\"Name\":\"UserAgent\",\"Value\":\"");
        let agent = self.one_of(AGENTS);
        self.raw(agent);
        self.raw("\"},{\"Name\":\"RequestType\",\"Value\":\"OAuth2:Authorize\"}],\"ModifiedProperties\":[],\"Actor\":[{\"ID\":\"");
        self.raw(&user.id);
        self.raw("\",\"Type\":0},{\"ID\":");
        self.text(&user.user_principal_name);
        self.raw(",\"Type\":5}],\"ActorContextId\":\"");
        self.raw(&self.tenant.id);
        self.raw("\",\"InterSystemsId\":\"");
        self.guid();
        self.raw("\",\"IntraSystemId\":\"");
        self.guid();
        self.raw("\",\"Target\":[{\"ID\":\"00000003-0000-0000-c000-000000000000\",\"Type\":0}],\"TargetContextId\":\"");
        self.raw(&self.tenant.id);
        self.raw("\",\"ApplicationId\":\"");
        self.guid();
        self.raw("\"");
    }

    fn exchange(&mut self, user: &User) {
        self.raw(",\"ExternalAccess\":false,\"OrganizationName\":");
        self.text(&self.tenant.domain);
        self.raw(",\"OriginatingServer\":\"DB9PR04MB0001 (15.20.4200.000)\",\"ClientInfoString\":\"Client=REST;Client=RESTSystem;;\",\"LogonType\":0,\"MailboxGuid\":\"");
        self.guid();
        self.raw("\",\"MailboxOwnerUPN\":");
        self.text(&user.user_principal_name);
        self.raw(",\"SessionId\":\"");
        self.guid();
        self.raw("\",\"Item\":{\"Id\":\"RgAAAAD");
        self.hexadecimal();
        self.raw("\",\"ParentFolder\":{\"Id\":\"LgAAAAB");
        self.hexadecimal();
        self.raw("\",\"Path\":\"\\\\Inbox\"},\"Subject\":\"");
        let subject = self.one_of(SUBJECTS);
        self.raw(subject);
        self.raw("\"}");
    }

    fn share_point(&mut self, user: &User) {
        let (folder, file) = (self.one_of(FOLDERS), self.one_of(FILES));
        let host = self.tenant.domain.split('.').next().unwrap_or_default();
        self.raw(",\"CorrelationId\":\"");
        self.guid();
        self.raw("\",\"EventSource\":\"SharePoint\",\"ItemType\":\"File\",\"ListId\":\"");
        self.guid();
        self.raw("\",\"ListItemUniqueId\":\"");
        self.guid();
        self.raw("\",\"Site\":\"");
        self.guid();
        self.raw("\",\"UserAgent\":\"");
        let agent = self.one_of(AGENTS);
        self.raw(agent);
        self.raw("\",\"WebId\":\"");
        self.guid();
        let extension = file.rsplit('.').next().unwrap_or_default();
        self.raw("\",\"SourceFileExtension\":\"");
        self.raw(extension);
        let site = format!("https://{host}.sharepoint.com/sites/sales/");
        self.raw("\",\"SiteUrl\":");
        self.text(&site);
        self.raw(",\"SourceFileName\":\"");
        self.raw(file);
        self.raw("\",\"SourceRelativeUrl\":\"");
        self.raw(folder);
        self.raw("\",\"ObjectId\":");
        self.text(&format!("{site}{folder}/{file}"));
        self.raw(",\"UserDisplayName\":");
        self.text(&user.display_name);
    }

    fn general(&mut self, kind: &Kind) {
        self.raw(",\"AADGroupId\":\"");
        self.guid();
        self.raw("\",\"TeamGuid\":\"19:");
        self.hexadecimal();
        self.raw("@thread.tacv2\",\"TeamName\":\"");
        let team = self.one_of(TEAMS);
        self.raw(team);
        self.raw("\",\"ChannelName\":\"General\",\"CommunicationType\":\"Team\",\"ItemName\":\"");
        self.raw(kind.operation);
        self.raw("\",\"MessageId\":\"");
        let message = 1_700_000_000_000 + self.random.next() % 100_000_000_000;
        self.raw(&message.to_string());
        self.raw("\",\"ExtraProperties\":[{\"Key\":\"TimeZone\",\"Value\":\"Europe/Berlin\"},{\"Key\":\"OsName\",\"Value\":\"windows\"}]");
    }

    fn dlp(&mut self, user: &User) {
        let (sensitive, [name, ..]) = self.one_of(SENSITIVE_TYPES);
        self.raw(",\"IncidentId\":\"");
        self.guid();
        self.raw("\",\"ObjectId\":\"");
        self.guid();
        self.raw("\",\"SensitiveInfoDetectionIsIncluded\":true,\"ExchangeMetaData\":{\"From\":");
        self.text(&user.user_principal_name);
        self.raw(",\"To\":[\"partner@example.com\"],\"Subject\":\"");
        let subject = self.one_of(SUBJECTS);
        self.raw(subject);
        self.raw("\"},\"PolicyDetails\":[{\"PolicyId\":\"");
        self.guid();
        self.raw("\",\"PolicyName\":\"Financial data\",\"Rules\":[{\"RuleId\":\"");
        self.guid();
        self.raw("\",\"RuleName\":\"Low volume of content detected\",\"Severity\":\"Low\",\"Actions\":[\"NotifyUser\"],\"ConditionsMatched\":{\"SensitiveInformation\":[{\"Count\":1,\"Confidence\":85,\"SensitiveType\":\"");
        self.raw(sensitive);
        self.raw("\",\"SensitiveInformationTypeName\":\"");
        self.raw(name);
        self.raw("\"}]}}]}]");
    }

    fn one_of<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[(self.random.next() % of.len() as u64) as usize]
    }

    /// Writes text without escaping.
    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Writes a JSON string.
    fn text(&mut self, text: &str) {
        // Writing to a buffer cannot fail.
        let _ = serde_json::to_writer(&mut *self.out, text);
    }

    fn guid(&mut self) {
        push_guid(self.out, &mut self.random);
    }

    fn hexadecimal(&mut self) {
        let number = self.random.next();
        self.out
            .extend((0..16).map(|digit| b"0123456789abcdef"[(number >> (60 - 4 * digit) & 15) as usize]));
    }

    /// Writes an address of one of the documentation networks (RFC 5737).
    fn address(&mut self) {
        let number = self.random.next();
        self.raw(["192.0.2.", "198.51.100.", "203.0.113."][(number % 3) as usize]);
        let host = 1 + (number >> 8) as u8 % 254;
        for power in [100, 10, 1] {
            if host >= power {
                self.out.push(b'0' + host / power % 10);
            }
        }
    }
}

const fn kind(
    operation: &'static str,
    record_type: &'static str,
    workload: &'static str,
    result: &'static str,
) -> Kind {
    Kind {
        operation,
        record_type,
        workload,
        result,
    }
}

const DIRECTORY: &[Kind] = &[
    kind("UserLoggedIn", "15", "AzureActiveDirectory", "Success"),
    kind("UserLoggedIn", "15", "AzureActiveDirectory", "Success"),
    kind("UserLoginFailed", "15", "AzureActiveDirectory", "Failed"),
    kind("Update user.", "8", "AzureActiveDirectory", "Success"),
    kind("Add member to group.", "8", "AzureActiveDirectory", "Success"),
];
const EXCHANGE: &[Kind] = &[
    kind("MailItemsAccessed", "50", "Exchange", "Succeeded"),
    kind("Send", "2", "Exchange", "Succeeded"),
    kind("SoftDelete", "3", "Exchange", "Succeeded"),
    kind("Set-Mailbox", "1", "Exchange", "True"),
];
const SHARE_POINT: &[Kind] = &[
    kind("FileAccessed", "6", "SharePoint", "Succeeded"),
    kind("FileModified", "6", "OneDrive", "Succeeded"),
    kind("FileDownloaded", "6", "SharePoint", "Succeeded"),
    kind("SharingSet", "14", "SharePoint", "Succeeded"),
];
const GENERAL: &[Kind] = &[
    kind("MessageSent", "25", "MicrosoftTeams", "Succeeded"),
    kind("MeetingDetail", "25", "MicrosoftTeams", "Succeeded"),
    kind("MemberAdded", "25", "MicrosoftTeams", "Succeeded"),
    kind("ViewReport", "20", "PowerBI", "Succeeded"),
];
const DLP: &[Kind] = &[
    kind("DlpRuleMatch", "13", "Exchange", "Succeeded"),
    kind("DlpRuleMatch", "11", "SharePoint", "Succeeded"),
    kind("DlpRuleUndo", "13", "Exchange", "Succeeded"),
];

const AGENTS: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.18000; Pro)",
];
const SUBJECTS: &[&str] = &[
    "Invoice 2041",
    "Quarterly figures",
    "Re: Delivery dates",
    "Agenda for Monday",
];
const FOLDERS: &[&str] = &[
    "Shared Documents",
    "Shared Documents/Reports",
    "Shared Documents/Offers",
];
const FILES: &[&str] = &["Forecast.xlsx", "Price list.pdf", "Offer 118.docx", "Minutes.docx"];
const TEAMS: &[&str] = &["Sales", "Production", "Information technology"];
