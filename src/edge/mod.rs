//! The world: network, clocks, threads. The only room that names them.
