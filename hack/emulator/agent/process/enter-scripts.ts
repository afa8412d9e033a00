/**
 * Becomes a command in a directory, with its own name as the first argument. Fails in the words and
 * with the status of Mesos. If its input is a terminal, it leads a session on it: the signals that
 * keys make are for the command, not for those who entered it. Arguments: directory, program, argv…
 */
export const enterScript = `
use strict;
use POSIX ();
my $TIOCSCTTY = 0x540e;
my ($directory, $program, @argv) = @ARGV;
if (-t STDIN) { POSIX::setsid(); ioctl(STDIN, $TIOCSCTTY, 0) or die "no terminal: $!\\n" }
chdir $directory or die "Failed to chdir to '$directory': $!\\n";
exec { $program } @argv;
print STDERR "Failed to execute '$program': $!\\n";
exit 1;
`;

/**
 * Runs a command on a pseudo-terminal of its own, of which standard input and output are the far
 * end, and ends as the command ended. Lines "ROWS COLUMNS" on descriptor 3 change its size. Node
 * cannot make terminals; Perl can with plain ioctls (numbers of Linux, asm-generic/ioctls.h).
 * Arguments: rows, columns, program, arguments…
 */
export const terminalScript = `
use strict;
use Fcntl;
use POSIX ();
my ($TIOCSPTLCK, $TIOCGPTN, $TIOCSWINSZ) = (0x40045431, 0x80045430, 0x5414);
my ($rows, $columns, @command) = @ARGV;
sysopen(my $master, '/dev/ptmx', O_RDWR | O_NOCTTY) or die "no pseudo-terminal: $!\\n";
my $number = pack('i', 0);
ioctl($master, $TIOCSPTLCK, $number) or die "cannot unlock the terminal: $!\\n";
ioctl($master, $TIOCGPTN, $number) or die "cannot name the terminal: $!\\n";
my $name = '/dev/pts/' . unpack('i', $number);
sub resize { ioctl($master, $TIOCSWINSZ, pack('S4', $_[0], $_[1], 0, 0)) }
resize($rows, $columns);
sysopen(my $held, $name, O_RDWR | O_NOCTTY) or die "cannot open $name: $!\\n";
open(my $control, '<&=', 3) or die "no control: $!\\n";
my $pid = fork();
die "cannot fork: $!\\n" if !defined $pid;
if ($pid == 0) {
  POSIX::dup2(fileno($held), $_) for 0 .. 2;
  POSIX::close($_) for 3 .. 9;
  exec { $command[0] } @command;
  POSIX::_exit(1);
}
close($held);
$SIG{PIPE} = 'IGNORE';
sub put {
  my ($to, $data) = @_;
  while (length $data) {
    my $written = syswrite($to, $data);
    return if !defined $written;
    $data = substr($data, $written);
  }
}
my ($input, $sizes, $ended, $status) = (1, 1, 0, 0);
while (1) {
  my $read = '';
  vec($read, fileno($master), 1) = 1;
  vec($read, 0, 1) = 1 if $input;
  vec($read, 3, 1) = 1 if $sizes;
  my $ready = select($read, undef, undef, $ended ? 0.05 : 0.2);
  if (!$ended && waitpid($pid, POSIX::WNOHANG()) == $pid) { ($ended, $status) = (1, $?) }
  last if $ended && $ready <= 0;
  next if $ready <= 0;
  if (vec($read, fileno($master), 1)) {
    my $count = sysread($master, my $data, 65536);
    last if !$count;
    put(*STDOUT, $data);
  }
  if ($input && vec($read, 0, 1)) {
    if (sysread(STDIN, my $data, 65536)) { put($master, $data) }
    else { $input = 0; put($master, "\\x04") }
  }
  if ($sizes && vec($read, 3, 1)) {
    if (sysread($control, my $data, 256)) { resize($1, $2) while $data =~ /(\\d+) (\\d+)\\n/g }
    else { $sizes = 0 }
  }
}
if (!$ended) { waitpid($pid, 0); $status = $? }
my $signal = $status & 127;
if ($signal) { $SIG{PIPE} = 'DEFAULT'; kill($signal, $$); sleep 1 }
POSIX::_exit($status >> 8);
`;
