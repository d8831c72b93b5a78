//! A vector for each sequence, and which are alike.
use engraft::models::Pooling;
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let embedder = TextEmbedder::from_preset("sapiens_vh")?.pooling(Pooling::Mean).normalize(true).build()?;
    let query = embedder.encode_text("EVQLVESGGG")?;
    let others = embedder.encode_text(["EVQLLESGGG", "QVQLQQWGAG"])?;
    println!("{:?}", TextEmbedder::similarity(&[query], &others)?);
    Ok(())
}
