//! A Microsoft Entra token service on loopback that refuses what Entra refuses.
