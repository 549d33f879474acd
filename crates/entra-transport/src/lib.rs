//! The small interface between Microsoft Entra token requests and any HTTP client.
