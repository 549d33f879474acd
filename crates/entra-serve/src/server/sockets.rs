//! The tables of sockets and the descriptors of processes in `/proc` (`proc_pid_net(5)`).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::caller::Process;

/// The ends of a TCP connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
}

/// Finds the processes at the client's ends, in this order. `None` if the system does not tell.
pub(super) fn find(connections: Vec<Ends>) -> Vec<Option<Process>> {
    let sockets = owners(&connections);
    let wanted: Vec<u64> = sockets.iter().flatten().map(|socket| socket.inode).collect();
    let pids = pids(&wanted, Path::new("/proc"));
    let process =
        |socket: Option<Socket>| socket.map(|socket| Process::new(pids.get(&socket.inode).copied(), socket.uid));
    sockets.into_iter().map(process).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    uid: u32,
    inode: u64,
}

/// Finds the sockets at the client's ends.
fn owners(connections: &[Ends]) -> Vec<Option<Socket>> {
    let mut names: HashMap<String, usize> = HashMap::new();
    for (place, ends) in connections.iter().enumerate() {
        names.insert(name(ends.client, ends.server), place);
        if let (IpAddr::V4(client), IpAddr::V4(server)) = (ends.client.ip(), ends.server.ip()) {
            // A program may use IPv4 through a socket of IPv6.
            let mapped = |ip: Ipv6Addr, port| SocketAddr::from((ip, port));
            let client = mapped(client.to_ipv6_mapped(), ends.client.port());
            let server = mapped(server.to_ipv6_mapped(), ends.server.port());
            names.insert(name(client, server), place);
        }
    }
    let mut found = vec![None; connections.len()];
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        if let Ok(table) = File::open(table) {
            search(BufReader::new(table.take(LONGEST_TABLE)), &names, &mut found);
        }
    }
    found
}

/// Searches a table of sockets.
fn search(table: impl BufRead, names: &HashMap<String, usize>, found: &mut [Option<Socket>]) {
    for line in table.lines().map_while(Result::ok).skip(1) {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (Some(local), Some(remote)) = (columns.next(), columns.next()) else {
            continue;
        };
        let Some(place) = names.get(&format!("{local} {remote}")) else {
            continue;
        };
        let uid = columns.nth(4).and_then(|uid| uid.parse().ok());
        let inode = columns.nth(1).and_then(|inode| inode.parse().ok());
        if let (Some(uid), Some(inode)) = (uid, inode) {
            // A connection that has ended has no inode, and no user.
            if inode != 0 {
                found[*place] = Some(Socket { uid, inode });
            }
        }
    }
}

/// Returns the columns of a socket with these addresses.
fn name(local: SocketAddr, remote: SocketAddr) -> String {
    format!("{} {}", column(local), column(remote))
}

/// Returns an address as the table has it: words of 32 bits in the byte order of the machine.
fn column(address: SocketAddr) -> String {
    let bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = bytes.chunks_exact(4).map(|word| {
        let word: [u8; 4] = word.try_into().expect("a chunk has 4 bytes");
        format!("{:08X}", u32::from_ne_bytes(word))
    });
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

/// Finds the processes that have these sockets. Those of other users are visible to root only.
fn pids(sockets: &[u64], proc: &Path) -> HashMap<u64, u32> {
    let names: HashMap<Vec<u8>, u64> = sockets
        .iter()
        .map(|inode| (format!("socket:[{inode}]").into_bytes(), *inode))
        .collect();
    let mut found = HashMap::new();
    let mut budget = MOST_DESCRIPTORS;
    // New processes have high numbers, mostly. Programs that ask for tokens are rather new.
    let mut pids: Vec<u32> = fs::read_dir(proc)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable_by(|a, b| b.cmp(a));
    for pid in pids {
        if found.len() == names.len() || budget == 0 {
            break;
        }
        let Ok(descriptors) = fs::read_dir(proc.join(pid.to_string()).join("fd")) else {
            continue;
        };
        for descriptor in descriptors.flatten() {
            let Some(rest) = budget.checked_sub(1) else { break };
            budget = rest;
            if let Ok(target) = fs::read_link(descriptor.path()) {
                if let Some(inode) = names.get(target.as_os_str().as_bytes()) {
                    found.entry(*inode).or_insert(pid);
                }
            }
        }
    }
    found
}

const LONGEST_TABLE: u64 = 64 * 1024 * 1024;
const MOST_DESCRIPTORS: usize = 200_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_is_found_by_both_addresses() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 111 1 0
   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 222 1 0
   2: 0100007F:C351 0100007F:1F90 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0
   3: 00000000000000000000000001000000:C350 00000000000000000000000001000000:1F90 01 0:0 00:0 0  7 0 333 1 0
   4: broken
";
        let ends = |client: &str, server: &str| Ends {
            client: client.parse().unwrap(),
            server: server.parse().unwrap(),
        };
        let connections = [
            ends("127.0.0.1:50000", "127.0.0.1:8080"),
            ends("127.0.0.1:50001", "127.0.0.1:8080"),
            ends("[::1]:50000", "[::1]:8080"),
        ];
        let names = (connections.iter().enumerate())
            .map(|(place, ends)| (name(ends.client, ends.server), place))
            .collect();
        let mut found = vec![None; 3];
        search(table.as_bytes(), &names, &mut found);
        // The table is that of a little-endian machine.
        if cfg!(target_endian = "little") {
            assert_eq!(
                found,
                [
                    Some(Socket { uid: 1000, inode: 222 }),
                    None,
                    Some(Socket { uid: 7, inode: 333 })
                ]
            );
        }
    }

    #[test]
    fn own_connection_is_that_of_this_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let stream = std::net::TcpStream::connect(server).unwrap();
        let client = stream.local_addr().unwrap();
        let _accepted = listener.accept().unwrap();
        let found = find(vec![Ends { client, server }]);
        let process = found[0].unwrap();
        assert_eq!(process.pid, Some(std::process::id()));
        assert_eq!(process.uid, rustix::process::geteuid().as_raw());
        drop(stream);
    }
}
