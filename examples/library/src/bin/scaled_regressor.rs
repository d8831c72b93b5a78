//! Numbers from 0 on, learned scaled.
use engraft::ScaledRegressor;
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let mut regressor = ScaledRegressor::from_preset("sapiens_vh")?.build()?;
    regressor.fit((["EVQLVESGGG", "QVQLQQWGAG", "EVQLLESGGG"], [120.0, 80.0, 100.0]), Fit { epochs: 3, ..Fit::default() })?;
    println!("{:?}", regressor.predict("EVQLVESGGD")?);
    Ok(())
}
