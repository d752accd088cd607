//! What several test files share.

pub mod instances;
pub mod mosquitto;
pub mod phantoms;
pub mod proxy;
pub mod site;
pub mod ward;
