//! Presets and data sets, by the names that users give them.

use engraft_hub::{DataSetHandle, Handle};

use crate::failure::Failure;

/// What a name stands for.
pub(crate) enum Named {
    Preset(Handle),
    DataSet(DataSetHandle),
}

impl Named {
    /// Understands a name, or what the user's file of mirrors has for it.
    pub(crate) fn parse(name: &str) -> Result<Self, Failure> {
        match DataSetHandle::parse(name).map_err(Failure::refused)? {
            Some(data) => Ok(Self::DataSet(data)),
            None => Handle::parse(name)
                .map(Self::Preset)
                .map_err(Failure::refused),
        }
    }

    /// Understands a name as it stands, whatever the mirrors are.
    pub(crate) fn understand(name: &str) -> Result<Self, Failure> {
        match DataSetHandle::understand(name).map_err(Failure::refused)? {
            Some(data) => Ok(Self::DataSet(data)),
            None => Handle::understand(name)
                .map(Self::Preset)
                .map_err(Failure::refused),
        }
    }
}
