"""What happens to every atomic column of a movie: depths over time, events, surfaces, migration."""
