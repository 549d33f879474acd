//! The detection of the source from variables and files.

use entra_proto::managed_identity::{Evidence, Identity, ManagedIdentity, Platform, Source};

use super::support::Machine;

const VARIABLES: [&str; 6] = [
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
];

/// The source for each subset of the variables: bit 0 of the index is the first variable. `F` is
/// Service Fabric, `S` App Service, `M` Azure ML, `K` Cloud Shell, `A` Arc, and `I` IMDS.
const SOURCES: [&str; 8] = [
    // Neither MSI_ENDPOINT nor MSI_SECRET; without IMDS_ENDPOINT, then with it.
    "IIISIIIF", "IAISIAIF", // MSI_ENDPOINT.
    "KKKSKKKF", "KKKSKKKF", // MSI_SECRET.
    "IIISIIIF", "IAISIAIF", // Both.
    "MMMSMMMF", "MMMSMMMF",
];

fn letter(source: Source) -> char {
    match source {
        Source::ServiceFabric => 'F',
        Source::AppService => 'S',
        Source::MachineLearning => 'M',
        Source::CloudShell => 'K',
        Source::Arc => 'A',
        _ => 'I',
    }
}

fn detected(machine: &Machine) -> entra_proto::managed_identity::Detection {
    ManagedIdentity::new(Identity::system(), machine.clone()).detect()
}

#[test]
fn every_subset_of_the_variables_has_its_source() {
    let expected: String = SOURCES.concat();
    for (subset, expected) in (0..64_usize).zip(expected.chars()) {
        let machine = Machine::default();
        let with_agent = Machine::default().with_file("/opt/azcmagent/bin/himds");
        for (bit, name) in VARIABLES.iter().enumerate() {
            // An empty variable counts as unset.
            let value = if subset >> bit & 1 == 1 { "x" } else { "" };
            machine.set(name, value);
            with_agent.set(name, value);
        }
        let detection = detected(&machine);
        assert_eq!(letter(detection.source()), expected, "{subset:06b}");
        for fact in detection.evidence() {
            let Evidence::Variable(name) = fact else {
                panic!("{fact:?}")
            };
            let bit = VARIABLES.iter().position(|known| known == name).unwrap();
            assert_eq!(subset >> bit & 1, 1, "{name}");
        }
        // The agent's program decides where nothing else does.
        let expected = if expected == 'I' { 'A' } else { expected };
        assert_eq!(letter(detected(&with_agent).source()), expected, "{subset:06b}");
    }
}

#[test]
fn facts_that_decide_are_reported() {
    for (variables, expected) in [
        (
            &VARIABLES[..3],
            "Service Fabric: IDENTITY_ENDPOINT, IDENTITY_HEADER and IDENTITY_SERVER_THUMBPRINT are set",
        ),
        (
            &VARIABLES[..2],
            "App Service: IDENTITY_ENDPOINT and IDENTITY_HEADER are set",
        ),
        (
            &VARIABLES[4..],
            "Azure Machine Learning: MSI_ENDPOINT and MSI_SECRET are set",
        ),
        (&VARIABLES[4..5], "Cloud Shell: MSI_ENDPOINT is set"),
        (
            &[],
            "the instance metadata service (IMDS): the environment names no other source",
        ),
    ] {
        let machine = Machine::default();
        variables.iter().for_each(|name| machine.set(name, "x"));
        assert_eq!(detected(&machine).to_string(), expected);
    }
    let agent = Machine::default().with_file("/opt/azcmagent/bin/himds");
    assert_eq!(
        detected(&agent).to_string(),
        "Azure Arc: /opt/azcmagent/bin/himds exists"
    );
    let chosen = ManagedIdentity::new(Identity::system(), agent).with_source(Source::Imds);
    assert_eq!(
        chosen.detect().to_string(),
        "the instance metadata service (IMDS): chosen by the program"
    );
    assert_eq!(chosen.detect().evidence(), [Evidence::Chosen]);
}

#[test]
fn agent_is_looked_for_where_each_system_has_it() {
    let windows = r"C:\Program Files\AzureConnectedMachineAgent\himds.exe";
    let other = r"D:\Programme\AzureConnectedMachineAgent\himds.exe";
    for (platform, file, program_files, found) in [
        (Platform::Linux, "/opt/azcmagent/bin/himds", "", true),
        (Platform::Windows, windows, "", true),
        (Platform::Windows, other, r"D:\Programme", true),
        (Platform::Windows, other, r"D:\Programme\", true),
        (Platform::Windows, windows, r"D:\Programme", false),
        (Platform::Windows, "/opt/azcmagent/bin/himds", "", false),
        (Platform::Linux, windows, "", false),
        (Platform::Other, "/opt/azcmagent/bin/himds", "", false),
        (Platform::Windows, r"a\AzureConnectedMachineAgent\himds.exe", "a", false),
    ] {
        let machine = Machine::new(&[("ProgramFiles", program_files)])
            .on(platform)
            .with_file(file);
        let is_arc = detected(&machine).source() == Source::Arc;
        assert_eq!(is_arc, found, "{platform:?} {file} {program_files}");
    }
}
