/**
 * The executor of a process container: the first process of its PID namespace. It starts the
 * command, collects orphans, writes the raw wait status of the command to a file and to descriptor
 * 3, and leaves a second later, as Mesos' command executor does; with it, everything that is left
 * in the namespace ends. It is in Perl, which every Debian has (perl-base), because a shell cannot
 * tell `exit 137` from a SIGKILL, and because it must outlive the agent's own process.
 *
 * Arguments: status file, hosts file or '', host name or '', directory of secret files or '', program,
 * argv…; without a program it only holds the container (the default executor's). The secret files are
 * copied into memory that only the container sees, and mounted where their paths in the sandbox are.
 */
export const executorScript = `
use strict;
use POSIX ();
my ($status_file, $hosts, $name, $secrets, $program, @argv) = @ARGV;
$SIG{PIPE} = 'IGNORE';
system('mount', '--bind', $hosts, '/etc/hosts') if length $hosts;
system('hostname', $name) if length $name;
if (length $secrets) {
  system('mount', '-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', $secrets . '/memory') == 0
    or POSIX::_exit(1);
  for my $number (0 .. 4095) {
    my ($from, $path) = ("$secrets/$number", "$secrets/$number.path");
    last if !-e $path;
    open(my $file, '<', $path) or POSIX::_exit(1);
    my $target = <$file>;
    close($file);
    system('cp', $from, "$secrets/memory/$number") == 0 or POSIX::_exit(1);
    system('mount', '--bind', "$secrets/memory/$number", $target) == 0 or POSIX::_exit(1);
    system('mount', '-o', 'remount,bind,ro', $target) == 0 or POSIX::_exit(1);
  }
}
if (!defined $program) {
  $SIG{TERM} = sub { POSIX::_exit(0) };
  while (1) { sleep 3600; 1 while waitpid(-1, POSIX::WNOHANG()) > 0 }
}
my $pid = fork();
POSIX::_exit(1) if !defined $pid;
if ($pid == 0) {
  POSIX::close(3);
  POSIX::setsid();
  $SIG{PIPE} = 'DEFAULT';
  exec { $program } @argv;
  print STDERR "Failed to execute '$program': $!\\n";
  POSIX::_exit(1);
}
while (1) {
  my $ended = waitpid(-1, 0);
  last if $ended == $pid;
  POSIX::_exit(1) if $ended < 0;
}
my $status = $?;
if (open(my $file, '>', "$status_file.next")) {
  print $file $status;
  close($file);
  rename("$status_file.next", $status_file);
}
POSIX::write(3, "$status\\n", length("$status\\n"));
sleep 1;
POSIX::_exit(0);
`;

/**
 * One look at a port on loopback, from inside the namespace: prints the HTTP status code, or
 * leaves with 0 if the connection was taken. Arguments: HTTP or TCP, 4 or 6, port, path.
 */
export const probeScript = `
use strict;
use Socket;
my ($kind, $family, $port, $path) = @ARGV;
my $address = $family == 6
  ? Socket::pack_sockaddr_in6($port, Socket::inet_pton(Socket::AF_INET6(), '::1'))
  : Socket::pack_sockaddr_in($port, Socket::inet_aton('127.0.0.1'));
my $domain = $family == 6 ? Socket::AF_INET6() : Socket::AF_INET();
socket(my $socket, $domain, Socket::SOCK_STREAM(), 0) or exit 1;
connect($socket, $address) or exit 1;
exit 0 if $kind eq 'TCP';
my $host = $family == 6 ? "[::1]:$port" : "127.0.0.1:$port";
my $request = "GET $path HTTP/1.1\\r\\nHost: $host\\r\\nUser-Agent: mesos-health-check\\r\\nAccept: */*\\r\\nConnection: close\\r\\n\\r\\n";
syswrite($socket, $request) == length($request) or exit 1;
my $line = '';
while ($line !~ /\\n/) {
  sysread($socket, my $part, 1024) or last;
  $line .= $part;
}
$line =~ m{^HTTP/\\d\\.\\d (\\d{3})} or exit 1;
print $1;
`;
