//! Schedules made of others: one after another, or several at once.

use engraft_component::{Choice, Component, Refusal};

use super::{LrScheduler, Point, Schedule, refusal};

/// One schedule after another, each beginning anew at its milestone.
///
/// A schedule that is relative to the length of training takes that of its own part.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.SequentialLR")]
#[component(ignored(verbose = "the learning rate is in the log"))]
pub struct SequentialLR {
    /// The schedules in order.
    pub schedulers: Vec<LrScheduler>,
    /// The steps at which the second and all further ones begin.
    pub milestones: Vec<u64>,
    /// The step before the first one; -1 starts the schedule at its beginning.
    #[arg(default = -1)]
    pub last_epoch: i64,
}

/// Several schedules at once: the rate is multiplied with the factors of all of them.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.ChainedScheduler")]
#[component(ignored(verbose = "the learning rate is in the log"))]
pub struct ChainedScheduler {
    /// The schedules, each of which multiplies the optimizer's rate with a factor.
    pub schedulers: Vec<LrScheduler>,
}

impl SequentialLR {
    /// The schedule of a step, and the step as it counts.
    fn part(&self, at: Point) -> Option<(&LrScheduler, Point)> {
        let index = self.milestones.partition_point(|&start| start <= at.step);
        let before = index.checked_sub(1);
        let start = before.map_or(0, |before| self.milestones[before]);
        let end = self.milestones.get(index).copied().or(at.total);
        let point = Point {
            step: at.step - start,
            total: end.map(|end| end.saturating_sub(start)),
            base: at.base,
        };
        Some((self.schedulers.get(index)?, point))
    }
}

impl Schedule for SequentialLR {
    fn check(&self) -> Result<(), Refusal> {
        let (schedulers, milestones) = (self.schedulers.len(), self.milestones.len());
        if schedulers != milestones + 1 {
            return Err(refusal::<Self>(format!(
                "{schedulers} schedulers need one milestone less than there are schedulers, found {milestones}"
            )));
        }
        if !self.milestones.is_sorted_by(|first, second| first < second) {
            return Err(refusal::<Self>(
                "milestones must rise, each above the one before",
            ));
        }
        check_parts::<Self>(&self.schedulers)
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
        match self.part(at) {
            Some((schedule, at)) => schedule.rate_at(at),
            None => Ok(at.base),
        }
    }

    fn momentum(&self, at: Point) -> Result<Option<f64>, Refusal> {
        match self.part(at) {
            Some((schedule, at)) => schedule.momentum_at(at),
            None => Ok(None),
        }
    }

    fn moves_momentum(&self) -> bool {
        self.schedulers.iter().any(LrScheduler::moves_momentum)
    }

    fn vanishes_by_design(&self) -> bool {
        let mut parts = self.schedulers.iter();
        parts.any(|part| part.schedule().vanishes_by_design())
    }

    fn last_epoch(&self) -> i64 {
        self.last_epoch
    }
}

impl Schedule for ChainedScheduler {
    fn check(&self) -> Result<(), Refusal> {
        check_parts::<Self>(&self.schedulers)?;
        let mut parts = self.schedulers.iter().enumerate();
        match parts.find(|(_, part)| !part.schedule().is_factor()) {
            Some((number, other)) => {
                let problem = format!(
                    "{} is no factor of the optimizer's rate, so it cannot be chained; use SequentialLR",
                    other.name()
                );
                Err(Refusal::of(part_key(number), problem))
            }
            None => Ok(()),
        }
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
        let one = Point { base: 1.0, ..at };
        let mut rate = at.base;
        for schedule in &self.schedulers {
            rate *= schedule.rate_at(one)?;
        }
        Ok(rate)
    }

    fn is_factor(&self) -> bool {
        true
    }

    fn last_epoch(&self) -> i64 {
        -1
    }
}

/// The key of one of the schedules.
fn part_key(number: usize) -> String {
    format!("schedulers[{number}]")
}

fn check_parts<S: Component>(parts: &[LrScheduler]) -> Result<(), Refusal> {
    if parts.is_empty() {
        return Err(refusal::<S>("schedulers is empty; name at least one"));
    }
    for (number, part) in parts.iter().enumerate() {
        if matches!(part, LrScheduler::ReduceLROnPlateau(_)) {
            let problem = "ReduceLROnPlateau follows a metric, so it stands alone";
            return Err(Refusal::of(part_key(number), problem));
        }
        let checked = part.check_arguments();
        checked.map_err(|refusal| refusal.within(&part_key(number)))?;
    }
    Ok(())
}
