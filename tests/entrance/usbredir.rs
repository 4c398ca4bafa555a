//! The usbredir protocol, as much of it as a device with a control and a bulk IN endpoint needs.
//!
//! QEMU's `usb-redir` device is the USB host's side of it; the test is the device's.  Numbers and layouts are those of
//! "USB Network Redirection protocol description version 0.7" (usbredir's `docs/usb-redirection-protocol.md`); all
//! integers are little-endian.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Kinds of packets.
mod kind {
    pub(super) const HELLO: u32 = 0;
    pub(super) const DEVICE_CONNECT: u32 = 1;
    pub(super) const INTERFACE_INFO: u32 = 4;
    pub(super) const ENDPOINT_INFO: u32 = 5;
    pub(super) const SET_CONFIGURATION: u32 = 6;
    pub(super) const GET_CONFIGURATION: u32 = 7;
    pub(super) const CONFIGURATION_STATUS: u32 = 8;
    pub(super) const SET_ALT_SETTING: u32 = 9;
    pub(super) const GET_ALT_SETTING: u32 = 10;
    pub(super) const ALT_SETTING_STATUS: u32 = 11;
    pub(super) const CANCEL_DATA_PACKET: u32 = 21;
    pub(super) const CONTROL_PACKET: u32 = 100;
    pub(super) const BULK_PACKET: u32 = 101;
}

/// What this side can do: device version in `DEVICE_CONNECT`, packet sizes in `ENDPOINT_INFO`, packet ids of 64 bits,
/// bulk lengths of 32 bits.
const CAPABILITIES: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6;

/// Bytes of a packet's header before and after both sides know that ids have 64 bits.
const FIRST_HEADER: usize = 12;
const HEADER: usize = 16;

const STATUS_SUCCESS: u8 = 0;
const STATUS_CANCELLED: u8 = 1;
const STATUS_STALL: u8 = 4;

const SPEED_HIGH: u8 = 2;
const ENDPOINT_CONTROL: u8 = 0;
const ENDPOINT_BULK: u8 = 2;
const ENDPOINT_INVALID: u8 = 255;

/// Where the arrays of `ENDPOINT_INFO` hold the IN endpoints: after the sixteen OUT endpoints.
const IN_ENDPOINTS: usize = 16;

/// The request of a control transfer (USB 2.0, table 9-2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) request_type: u8,
    pub(crate) request: u8,
    pub(crate) value: u16,
    pub(crate) index: u16,
    pub(crate) length: u16,
}

impl Setup {
    /// Whether it is a request of the device's class, rather than one that every device knows.
    pub(crate) fn is_of_class(&self) -> bool {
        self.request_type >> 5 & 3 == 1
    }
}

/// What the host wants.
#[derive(Debug)]
pub(crate) enum Request {
    /// First word of the conversation.
    Hello,
    SetConfiguration(u8),
    GetConfiguration,
    SetAltSetting {
        interface: u8,
        setting: u8,
    },
    GetAltSetting {
        interface: u8,
    },
    /// A control transfer; `data` is what the host sends with it.
    Control {
        endpoint: u8,
        setup: Setup,
        data: Vec<u8>,
    },
    /// At most `length` bytes from a bulk IN endpoint.
    BulkIn {
        endpoint: u8,
        length: usize,
    },
    /// The request of the same id is no longer wanted.
    Cancel,
    /// Resets and notes, which need no answer.
    Other,
}

/// What a device says about itself when it is plugged in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) vendor: u16,
    pub(crate) product: u16,
    /// Class, subclass and protocol of the device.
    pub(crate) class: [u8; 3],
    /// Class and subclass of each interface.
    pub(crate) interfaces: [[u8; 2]; 2],
    /// The bulk IN endpoint's address, 0x81 to 0x8f.
    pub(crate) bulk_in: u8,
    /// Bytes of one bulk packet: 512 at high speed.
    pub(crate) packet_size: u16,
}

/// What came of waiting for the host.
#[derive(Debug)]
pub(crate) enum Received {
    /// A request and its id, which the answer repeats.
    Request(u64, Request),
    /// Nothing within the time given.
    TimedOut,
    /// QEMU is gone, or this side was shut down.
    Closed,
}

/// The wire between the device and QEMU.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    /// Received and not yet a whole packet.
    received: Vec<u8>,
    header: usize,
}

impl Connection {
    /// Greets QEMU on a stream that has just been connected.
    pub(crate) fn open(stream: UnixStream) -> io::Result<Self> {
        let mut connection = Self { stream, received: Vec::new(), header: FIRST_HEADER };
        let mut hello = [0; 64 + 4];
        hello[..8].copy_from_slice(b"maskbell");
        hello[64..].copy_from_slice(&CAPABILITIES.to_le_bytes());
        connection.send(kind::HELLO, 0, &hello)?;
        Ok(connection)
    }

    /// Waits for the next packet, for `time` at most, or for as long as it takes.
    pub(crate) fn receive(&mut self, time: Option<Duration>) -> io::Result<Received> {
        loop {
            if let Some((id, request)) = self.take_packet()? {
                return Ok(Received::Request(id, request));
            }
            // Zero would mean to wait for ever.
            self.stream.set_read_timeout(time.map(|time| time.max(Duration::from_micros(1))))?;
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(Received::Closed),
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Ok(Received::TimedOut),
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset => return Ok(Received::Closed),
                    _ => return Err(error),
                },
            }
        }
    }

    fn take_packet(&mut self) -> io::Result<Option<(u64, Request)>> {
        if self.received.len() < self.header {
            return Ok(None);
        }
        let kind = u32_at(&self.received, 0);
        let length = u32_at(&self.received, 4) as usize;
        let end = self.header + length;
        if self.received.len() < end {
            return Ok(None);
        }
        let mut id = u64::from(u32_at(&self.received, 8));
        if self.header == HEADER {
            id |= u64::from(u32_at(&self.received, 12)) << 32;
        }
        let request = parse(kind, &self.received[self.header..end]).ok_or_else(|| {
            let text = format!("QEMU sent a packet of kind {kind} with {length} bytes, which is too few");
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        self.received.drain(..end);
        self.header = HEADER;
        Ok(Some((id, request)))
    }

    /// Plugs the device in.
    pub(crate) fn connect_device(&mut self, identity: &Identity) -> io::Result<()> {
        let bulk = IN_ENDPOINTS + usize::from(identity.bulk_in & 0x0f);
        let mut kinds = [ENDPOINT_INVALID; 32];
        let mut interfaces = [0; 32];
        let mut packet_sizes = [0; 32];
        for control in [0, IN_ENDPOINTS] {
            (kinds[control], packet_sizes[control]) = (ENDPOINT_CONTROL, 64);
        }
        (kinds[bulk], interfaces[bulk], packet_sizes[bulk]) = (ENDPOINT_BULK, 1, identity.packet_size);
        let mut endpoints = Vec::from(kinds);
        endpoints.extend([0; 32]); // polling intervals
        endpoints.extend(interfaces);
        endpoints.extend(packet_sizes.into_iter().flat_map(u16::to_le_bytes));
        self.send(kind::ENDPOINT_INFO, 0, &endpoints)?;

        let column = |values: [u8; 2]| {
            let mut column = [0; 32];
            column[..2].copy_from_slice(&values);
            column
        };
        let [control, streaming] = identity.interfaces;
        let mut info = Vec::from(2_u32.to_le_bytes());
        info.extend(column([0, 1])); // numbers
        info.extend(column([control[0], streaming[0]]));
        info.extend(column([control[1], streaming[1]]));
        info.extend(column([0, 0])); // protocols
        self.send(kind::INTERFACE_INFO, 0, &info)?;

        let mut connect = vec![SPEED_HIGH];
        connect.extend(identity.class);
        for number in [identity.vendor, identity.product, 0x0100] {
            connect.extend(number.to_le_bytes());
        }
        self.send(kind::DEVICE_CONNECT, 0, &connect)
    }

    pub(crate) fn configuration(&mut self, id: u64, value: u8) -> io::Result<()> {
        self.send(kind::CONFIGURATION_STATUS, id, &[STATUS_SUCCESS, value])
    }

    pub(crate) fn alt_setting(&mut self, id: u64, interface: u8, setting: u8) -> io::Result<()> {
        self.send(kind::ALT_SETTING_STATUS, id, &[STATUS_SUCCESS, interface, setting])
    }

    /// Ends a control transfer: with the device's data, which may be empty, or with a stall.
    pub(crate) fn control(
        &mut self,
        id: u64,
        endpoint: u8,
        setup: Setup,
        data: Option<&[u8]>,
    ) -> io::Result<()> {
        let to_host = setup.request_type & 0x80 != 0;
        let (status, data) = match data {
            None => (STATUS_STALL, &[][..]),
            Some(data) => (STATUS_SUCCESS, &data[..data.len().min(setup.length.into())]),
        };
        let length = match status {
            STATUS_STALL => 0,
            _ if to_host => data.len() as u16,
            _ => setup.length,
        };
        let mut packet = vec![endpoint, setup.request, setup.request_type, status];
        for number in [setup.value, setup.index, length] {
            packet.extend(number.to_le_bytes());
        }
        packet.extend(data);
        self.send(kind::CONTROL_PACKET, id, &packet)
    }

    /// Answers a [`Request::BulkIn`].
    pub(crate) fn bulk_in(&mut self, id: u64, endpoint: u8, data: &[u8]) -> io::Result<()> {
        self.bulk(id, endpoint, STATUS_SUCCESS, data)
    }

    /// Confirms that a [`Request::BulkIn`] has been dropped.
    pub(crate) fn bulk_in_cancelled(&mut self, id: u64, endpoint: u8) -> io::Result<()> {
        self.bulk(id, endpoint, STATUS_CANCELLED, &[])
    }

    fn bulk(&mut self, id: u64, endpoint: u8, status: u8, data: &[u8]) -> io::Result<()> {
        let length = (data.len() as u32).to_le_bytes();
        let mut packet = vec![endpoint, status, length[0], length[1], 0, 0, 0, 0, length[2], length[3]];
        packet.extend(data);
        self.send(kind::BULK_PACKET, id, &packet)
    }

    fn send(&mut self, kind: u32, id: u64, payload: &[u8]) -> io::Result<()> {
        let mut packet = Vec::with_capacity(HEADER + payload.len());
        packet.extend(kind.to_le_bytes());
        packet.extend((payload.len() as u32).to_le_bytes());
        match kind {
            kind::HELLO => packet.extend([0; 4]),
            _ => packet.extend(id.to_le_bytes()),
        }
        packet.extend(payload);
        self.stream.write_all(&packet)
    }
}

/// A packet's payload as a request, or `None` if it is cut short.
fn parse(kind: u32, payload: &[u8]) -> Option<Request> {
    Some(match kind {
        kind::HELLO => Request::Hello,
        kind::SET_CONFIGURATION => Request::SetConfiguration(*payload.first()?),
        kind::GET_CONFIGURATION => Request::GetConfiguration,
        kind::SET_ALT_SETTING => {
            let &[interface, setting] = payload.first_chunk()?;
            Request::SetAltSetting { interface, setting }
        }
        kind::GET_ALT_SETTING => Request::GetAltSetting { interface: *payload.first()? },
        kind::CANCEL_DATA_PACKET => Request::Cancel,
        kind::CONTROL_PACKET => {
            let &[endpoint, request, request_type, _status, v0, v1, i0, i1, l0, l1] =
                payload.first_chunk()?;
            let [value, index, length] = [[v0, v1], [i0, i1], [l0, l1]].map(u16::from_le_bytes);
            let setup = Setup { request_type, request, value, index, length };
            Request::Control { endpoint, setup, data: payload[10..].to_vec() }
        }
        kind::BULK_PACKET => {
            let &[endpoint, _status, l0, l1, _, _, _, _, l2, l3] = payload.first_chunk()?;
            Request::BulkIn { endpoint, length: u32::from_le_bytes([l0, l1, l2, l3]) as usize }
        }
        _ => Request::Other,
    })
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes([bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]])
}
