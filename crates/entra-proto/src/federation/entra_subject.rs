//! The subjects of workloads that Entra itself names.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Input, InputError};
use crate::guid::Guid;

/// The subject of a workload that Entra names itself:
/// `/eid1/c/<cloud>/t/<tenant>/a/<application>/<path>`.
///
/// Azure Pipelines and agent identities have such subjects. The tenant and the application are the
/// base64url of a GUID's bytes, in the order in which .NET stores them.
///
/// ```
/// use entra_proto::federation::EntraSubject;
///
/// let subject: EntraSubject = concat!(
///     "/eid1/c/pub/t/MiSI_7AJe0O9IsoTwAN97Q/a/rISbSSETf0KqFyZ8ppdXmA/sc/",
///     "11111111-2222-3333-4444-555555555555/66666666-7777-8888-9999-000000000000",
/// )
/// .parse()?;
/// assert_eq!(
///     subject.tenant().to_string(),
///     "ff882432-09b0-437b-bd22-ca13c0037ded"
/// );
/// assert!(subject.service_connection().is_some());
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntraSubject {
    cloud: String,
    tenant: Guid,
    application: Guid,
    path: String,
}

impl EntraSubject {
    /// Returns the name of the cloud: `pub` for the public cloud.
    #[must_use]
    pub fn cloud(&self) -> &str {
        &self.cloud
    }

    /// Returns the tenant of the application.
    #[must_use]
    pub fn tenant(&self) -> Guid {
        self.tenant
    }

    /// Returns the application that names the workload.
    #[must_use]
    pub fn application(&self) -> Guid {
        self.application
    }

    /// Returns the application's own name of the workload.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the organization and the service connection, if the workload is an Azure pipeline.
    #[must_use]
    pub fn service_connection(&self) -> Option<(Guid, Guid)> {
        if !self.application.is(AZURE_DEVOPS) {
            return None;
        }
        let (organization, connection) = self.path.strip_prefix("sc/")?.split_once('/')?;
        Some((organization.parse().ok()?, connection.parse().ok()?))
    }
}

impl FromStr for EntraSubject {
    type Err = Error;

    /// Parses the subject of an assertion.
    ///
    /// # Errors
    /// Returns an error if the text has another form.
    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| {
            let problem = "is not of the form /eid1/c/<cloud>/t/<tenant>/a/<application>/<path>";
            InputError::new(Input::Other("subject"), problem).value(text).into()
        })
    }
}

impl fmt::Display for EntraSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tenant, application) = (written(self.tenant), written(self.application));
        write!(f, "/eid1/c/{}/t/{tenant}/a/{application}/{}", self.cloud, self.path)
    }
}

fn parse(text: &str) -> Option<EntraSubject> {
    let (cloud, rest) = text.strip_prefix("/eid1/c/")?.split_once("/t/")?;
    let (tenant, rest) = rest.split_once("/a/")?;
    let (application, path) = rest.split_once('/')?;
    let is_word = !cloud.is_empty() && cloud.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_word || path.is_empty() {
        return None;
    }
    Some(EntraSubject {
        cloud: cloud.to_owned(),
        tenant: read(tenant)?,
        application: read(application)?,
        path: path.to_owned(),
    })
}

/// Decodes the base64url of a GUID in .NET's order of bytes.
fn read(text: &str) -> Option<Guid> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(Guid::from_bytes(reordered(bytes.try_into().ok()?)))
}

fn written(guid: Guid) -> String {
    URL_SAFE_NO_PAD.encode(reordered(*guid.as_bytes()))
}

/// Changes between the order in which a GUID is written and the order in which .NET stores it: the
/// first three of its five parts are little-endian.
fn reordered([a, b, c, d, e, f, g, h, rest @ ..]: [u8; 16]) -> [u8; 16] {
    let [i, j, k, l, m, n, o, p] = rest;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

/// The application ID of Azure DevOps.
const AZURE_DEVOPS: u128 = 0x499b_84ac_1321_427f_aa17_267c_a697_5798;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_base64url_in_the_order_of_dotnet() {
        for (guid, text) in [
            ("ff882432-09b0-437b-bd22-ca13c0037ded", "MiSI_7AJe0O9IsoTwAN97Q"),
            ("499b84ac-1321-427f-aa17-267ca6975798", "rISbSSETf0KqFyZ8ppdXmA"),
        ] {
            let guid: Guid = guid.parse().unwrap();
            assert_eq!((read(text), written(guid)), (Some(guid), text.to_owned()));
        }
        for bad in [
            "",
            "MiSI_7AJe0O9IsoTwAN97",
            "MiSI_7AJe0O9IsoTwAN97R",
            "MiSI/7AJe0O9IsoTwAN97Q",
            "MiSI_7AJe0O9IsoTwAN97QAA",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn subject_is_written_as_it_was_read() {
        let start = "/eid1/c/pub/t/MiSI_7AJe0O9IsoTwAN97Q/a/rISbSSETf0KqFyZ8ppdXmA";
        let ids = "11111111-2222-3333-4444-555555555555/66666666-7777-8888-9999-000000000000";
        for (path, is_pipeline) in [
            (format!("sc/{ids}"), true),
            (format!("sc/{ids}/x"), false),
            (format!("other/{ids}"), false),
            ("sc/a/b".to_owned(), false),
        ] {
            let text = format!("{start}/{path}");
            let subject: EntraSubject = text.parse().unwrap();
            assert_eq!((subject.to_string(), subject.path()), (text, &*path));
            assert_eq!(subject.service_connection().is_some(), is_pipeline, "{path}");
        }
        // The same path of another application is not a pipeline.
        let other: EntraSubject = format!("/eid1/c/pub/t/MiSI_7AJe0O9IsoTwAN97Q/a/MiSI_7AJe0O9IsoTwAN97Q/sc/{ids}")
            .parse()
            .unwrap();
        assert_eq!(other.service_connection(), None);
    }

    #[test]
    fn other_text_is_not_a_subject_of_entra() {
        for text in [
            "",
            "/eid1/c/pub/t/MiSI_7AJe0O9IsoTwAN97Q/a/rISbSSETf0KqFyZ8ppdXmA",
            "/eid1/c/pub/t/MiSI_7AJe0O9IsoTwAN97Q/a/rISbSSETf0KqFyZ8ppdXmA/",
            "/eid1/c//t/MiSI_7AJe0O9IsoTwAN97Q/a/rISbSSETf0KqFyZ8ppdXmA/x",
            "/eid2/c/pub/t/MiSI_7AJe0O9IsoTwAN97Q/a/rISbSSETf0KqFyZ8ppdXmA/x",
            "/eid1/c/pub/t/ff882432-09b0-437b-bd22-ca13c0037ded/a/rISbSSETf0KqFyZ8ppdXmA/x",
        ] {
            assert!(text.parse::<EntraSubject>().is_err(), "{text}");
        }
    }
}
