"""What a door would hear: visits, empty rooms, posters and long stays, scored."""
