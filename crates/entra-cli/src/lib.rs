//! The entra command: tokens, an emulator and explanations for Microsoft Entra.
