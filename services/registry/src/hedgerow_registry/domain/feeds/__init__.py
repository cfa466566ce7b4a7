"""What a pull of a live feed rests on: when it is due, how far it has come, what may be taken as gone."""
