"""DV's network streams, in and out: what iniVation's DV and dv-processing serve and read."""
