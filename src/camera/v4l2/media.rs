//! Cameras behind a media controller: a Raspberry Pi 5's, and any whose sensor is a device of its own.
//!
//! Which pictures a video node sends is settled elsewhere there: by links between the sensor, the receiver and the node,
//! and by the format of each of their pads.  [`Pipeline::behind`] finds, without changing anything, the way from a sensor to
//! a node; [`Pipeline::set_up`] has pictures go along it.  No device is known by its name.

mod graph;
mod uapi;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use v4l::Device;

pub(super) use self::graph::MayPass;
use self::graph::{Graph, Link, Route, is_bridge};
pub(super) use self::uapi::Format;
use super::ioctl::{self, Sizes};

/// Why there is no way from a sensor to a video node.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// No media controller tells of the node.
    #[error(
        "no media controller knows it: the kernel needs MEDIA_CONTROLLER, and beside the node must be its /dev/media*"
    )]
    NoController,
    /// No sensor is connected to it, or only through what changes the pictures.
    #[error(
        "no sensor sends its pictures to it as they are: another node of the same receiver may be the right one"
    )]
    NoSensor,
    /// A part of the way has no node.
    #[error("there is no device node of {entity}: the kernel needs VIDEO_V4L2_SUBDEV_API")]
    NoNode {
        /// The part, as its driver calls it.
        entity: String,
    },
    /// A step fails.
    #[error("{step}: {source}{}", remedy(.source))]
    Step {
        /// What was to be done.
        step: String,
        /// What the driver says.
        source: io::Error,
    },
    /// A pad takes another format.
    #[error(
        "{pad} makes {is} of {asked}: this receiver does not take what the sensor sends; use a USB camera"
    )]
    Format {
        /// The pad, as its entity's name and number.
        pad: String,
        /// Code and size that were asked for.
        asked: String,
        /// Code and size that it has.
        is: String,
    },
    /// The node makes nothing of it that can be read.
    #[error("the node makes nothing that can be read of the sensor's format {code:#06x}; use a USB camera")]
    NoFormat {
        /// `MEDIA_BUS_FMT_…`.
        code: u32,
    },
}

/// What can be done about it.
fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EBUSY) => {
            ": another program uses the camera (on Raspberry Pi OS that may be libcamera): end it"
        }
        Some(libc::EACCES | libc::EPERM) => ": be root, or in the group `video`",
        Some(libc::EREMOTEIO) => ": the sensor does not answer: see to both ends of the ribbon",
        _ => "",
    }
}

fn step(step: impl Into<String>) -> impl FnOnce(io::Error) -> PipelineError {
    let step = step.into();
    |source| PipelineError::Step { step, source }
}

fn shown(format: Format) -> String {
    format!("{:#06x} {}×{}", format.code, format.width, format.height)
}

/// A sensor, and the way of its pictures to a video node.
pub(super) struct Pipeline {
    /// The folder of its nodes.
    folder: PathBuf,
    media: PathBuf,
    graph: Graph,
    route: Route,
    sensor: Device,
}

impl Pipeline {
    /// Looks for the way to the video node `node`.
    pub(super) fn behind(node: &Path) -> Result<Self, PipelineError> {
        Self::through(node, is_bridge)
    }

    /// As [`Pipeline::behind`], through what `may_pass`.
    pub(super) fn through(node: &Path, may_pass: MayPass) -> Result<Self, PipelineError> {
        // A link in /dev/v4l is as good.
        let node = fs::canonicalize(node).unwrap_or_else(|_| node.to_owned());
        let folder = node.parent().unwrap_or(Path::new("/"));
        let mut trouble = PipelineError::NoController;
        for media in ioctl::nodes(folder, "media") {
            let look = || uapi::graph(&ioctl::open(&media)?);
            let graph = match look().map_err(step(format!("{}: look at it", media.display()))) {
                Ok(graph) => graph,
                Err(error) => {
                    trouble = error;
                    continue;
                }
            };
            let mut nodes = graph.nodes.iter().filter(|node| !node.is_subdevice);
            let Some(found) = nodes.find(|found| path(folder, found.device).as_ref() == Some(&node)) else {
                continue;
            };
            let route = graph.route(found.entity, may_pass).ok_or(PipelineError::NoSensor)?;
            let sensor = open(folder, &graph, route.sensor)?;
            return Ok(Self { folder: folder.to_owned(), media, graph, route, sensor });
        }
        Err(trouble)
    }

    /// The sensor, which takes controls.
    pub(super) const fn sensor(&self) -> &Device {
        &self.sensor
    }

    /// Gives the sensor away.
    pub(super) fn into_sensor(self) -> Device {
        self.sensor
    }

    /// What the sensor's driver calls it.
    pub(super) fn name(&self) -> &str {
        self.graph.entity(self.route.sensor).map_or("", |entity| &entity.name)
    }

    /// What the sensor can send, as `MEDIA_BUS_FMT_…`.
    pub(super) fn codes(&self) -> impl Iterator<Item = u32> {
        uapi::codes(&self.sensor, self.index(self.route.start()))
    }

    /// The sizes in which it can send that.
    pub(super) fn sizes(&self, code: u32) -> impl Iterator<Item = Sizes> {
        uapi::sizes(&self.sensor, self.index(self.route.start()), code)
    }

    /// Has the sensor's pictures go to the node, as nearly like `wanted` as it sends them; how they arrive.
    ///
    /// Each step is in the log.
    pub(super) fn set_up(&self, wanted: Format) -> Result<Format, PipelineError> {
        let Self { media, graph, route, .. } = self;
        let opened = ioctl::open(media).map_err(step(format!("{}: open", media.display())))?;
        let model = uapi::model(&opened).unwrap_or_default();
        log::info!("{} ({model}): {}", media.display(), route.shown(graph));
        // A receiver that is to fill other nodes as well waits for all of them.
        for link in graph.others(route) {
            self.switch(&opened, link, false)?;
        }
        for link in route.links.iter().filter(|link| !link.is_enabled()) {
            self.switch(&opened, link, true)?;
        }
        let start = route.start();
        let name = graph.name(start);
        let sent = uapi::set_format(&self.sensor, self.index(start), wanted)
            .map_err(step(format!("{name} to {}", shown(wanted))))?;
        log::info!("{name} sends {}", shown(sent));
        self.hand_on()?;
        let end = graph.pad(route.end()).map_or(route.sensor, |pad| pad.entity);
        let last = open(&self.folder, graph, end)?;
        let name = graph.name(route.end());
        let arrived = uapi::format(&last, self.index(route.end()))
            .map_err(step(format!("{name}: ask for its format")))?;
        if (arrived.width, arrived.height) != (sent.width, sent.height) {
            return Err(PipelineError::Format { pad: name, asked: shown(sent), is: shown(arrived) });
        }
        Ok(arrived)
    }

    fn switch(&self, media: &Device, link: &Link, on: bool) -> Result<(), PipelineError> {
        let (Some(source), Some(sink)) = (self.graph.pad(link.source), self.graph.pad(link.sink)) else {
            return Ok(());
        };
        let names = format!("{} → {}", self.graph.name(source.id), self.graph.name(sink.id));
        uapi::set_link(media, source, sink, link.switched(on))
            .map_err(step(format!("{names} {}", if on { "on" } else { "off" })))?;
        log::info!("{names} is {}", if on { "on" } else { "off" });
        Ok(())
    }

    /// Sets the pads at the other ends of the links that are on to what comes along them, from the sensor on.  Also those
    /// that lead elsewhere: the kernel starts no pictures while the ends of one of them differ.
    fn hand_on(&self) -> Result<(), PipelineError> {
        let Self { folder, graph, route, .. } = self;
        let mut entities = VecDeque::from([route.sensor]);
        let mut seen = Vec::new();
        while let Some(entity) = entities.pop_front() {
            if seen.contains(&entity) {
                continue;
            }
            seen.push(entity);
            let from = open(folder, graph, entity)?;
            for link in graph.leaving(entity, route) {
                let Some(sink) = graph.pad(link.sink).filter(|sink| graph.subdevice(sink.entity).is_some())
                else {
                    // The node itself, whose format is not set here.
                    continue;
                };
                let (source, name) = (graph.name(link.source), graph.name(sink.id));
                let comes = uapi::format(&from, self.index(link.source))
                    .map_err(step(format!("{source}: ask for its format")))?;
                let to = open(folder, graph, sink.entity)?;
                let is = uapi::set_format(&to, sink.index, comes)
                    .map_err(step(format!("{name} to {}", shown(comes))))?;
                log::info!("{name} takes {}", shown(is));
                if is != comes {
                    return Err(PipelineError::Format { pad: name, asked: shown(comes), is: shown(is) });
                }
                entities.push_back(sink.entity);
            }
        }
        Ok(())
    }

    /// The number of a pad among its entity's.
    fn index(&self, pad: u32) -> u32 {
        self.graph.pad(pad).map_or(0, |pad| pad.index)
    }
}

/// The node of a part of the way.
fn open(folder: &Path, graph: &Graph, entity: u32) -> Result<Device, PipelineError> {
    let name = || graph.entity(entity).map_or_else(String::new, |entity| format!("“{}”", entity.name));
    let node = graph.subdevice(entity).and_then(|device| path(folder, device));
    let node = node.ok_or_else(|| PipelineError::NoNode { entity: name() })?;
    ioctl::open(&node).map_err(step(format!("{}: open {}", name(), node.display())))
}

/// Where in a folder the node of a device is.
fn path(folder: &Path, (major, minor): (u32, u32)) -> Option<PathBuf> {
    let told = fs::read_to_string(format!("/sys/dev/char/{major}:{minor}/uevent")).ok()?;
    Some(folder.join(told.lines().find_map(|line| line.strip_prefix("DEVNAME="))?))
}
