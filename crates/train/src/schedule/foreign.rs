//! torch's schedules that are Python functions: refused by name.

use engraft_component::{Component, Node};

use super::{Point, Schedule, ScheduleError, refuse};

/// Not available: its factor is a Python function.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.LambdaLR")]
pub struct LambdaLR {
    /// A Python function.
    pub lr_lambda: Option<Node>,
    /// The step before the first one.
    #[arg(default = -1)]
    pub last_epoch: i64,
}

/// Not available: its factor is a Python function.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.MultiplicativeLR")]
pub struct MultiplicativeLR {
    /// A Python function.
    pub lr_lambda: Option<Node>,
    /// The step before the first one.
    #[arg(default = -1)]
    pub last_epoch: i64,
}

const REASON: &str = "its factor is a Python function, which an experiment cannot hold; \
     SequentialLR puts other schedules together";

impl Schedule for LambdaLR {
    fn check(&self) -> Result<(), ScheduleError> {
        refuse::<Self>(REASON)
    }

    fn rate(&self, at: Point) -> Result<f64, ScheduleError> {
        Ok(at.base)
    }

    fn last_epoch(&self) -> i64 {
        self.last_epoch
    }
}

impl Schedule for MultiplicativeLR {
    fn check(&self) -> Result<(), ScheduleError> {
        refuse::<Self>(REASON)
    }

    fn rate(&self, at: Point) -> Result<f64, ScheduleError> {
        Ok(at.base)
    }

    fn last_epoch(&self) -> i64 {
        self.last_epoch
    }
}
