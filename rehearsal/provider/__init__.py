"""A provider server for every package: checked by the SDKs, carried out or recorded."""
