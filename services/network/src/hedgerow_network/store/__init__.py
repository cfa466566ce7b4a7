"""What is read: the projection, as records and as the values that analyses work on."""
