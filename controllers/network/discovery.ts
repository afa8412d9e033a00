/**
 * How a task learns its own addresses: nobody outside the container knows them before its command starts,
 * so a few lines of POSIX shell in front of the command read them from /proc and export
 *
 *   COSM_IP                 the first address of the first network that has one
 *   COSM_IPS                all addresses, parted by blanks, in the order of the networks
 *   COSM_IP_<NETWORK>       the IPv4 address on a network
 *   COSM_IP6_<NETWORK>      the IPv6 address on a network
 *
 * No program but /bin/sh is needed. The shell then becomes the command (exec), so that pid, signals and
 * exit status are the command's own.
 *
 * /proc names no device for an IPv4 address: it is found by the longest route that contains it. Two
 * interfaces in one subnet cannot be told apart that way; they get the addresses in ascending order.
 */

/** Name of a network or port inside a variable: `dev-net` is DEV_NET. */
export function variableName(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, '_');
}

/** Local IPv4 addresses but loopback: `host LOCAL` leaves of the routing trie. */
const readIPv4 = (proc: string): string => `_c4=
while read -r _ca _cb _cc _cx; do case $_ca in
'|--') _ci=$_cb ;;
/32) case "$_cb $_cc" in 'host LOCAL') case $_ci in 127.*) ;; *)
  case " $_c4 " in *" $_ci "*) ;; *) _c4="$_c4 $_ci" ;; esac ;; esac ;; esac ;;
esac; done <${proc}/fib_trie`;

/** Routes with a mask as `device:destination:mask`, both in hexadecimal, low byte first. */
const readRoutes = (proc: string): string => `_cr=
while read -r _cd _ct _cg _cf _c1 _c2 _c3 _cm _cx; do case $_cd in eth[0-9]*)
  case $_cm in 00000000) ;; *) _cr="$_cr $_cd:$_ct:$_cm" ;; esac ;; esac; done <${proc}/route`;

/** Gives each address to the device of its longest route; one without a route waits in _cp. */
const assignIPv4 = `_cp=
for _ci in $_c4; do
  _ca=\${_ci#*.} _cb=\${_ca#*.}
  _cn=$((\${_ci%%.*} | \${_ca%%.*} << 8 | \${_cb%%.*} << 16 | \${_ci##*.} << 24)) _cl=-1 _ch=
  for _ce in $_cr; do
    _cm=$((0x\${_ce##*:})) _ct=\${_ce#*:} _ct=$((0x\${_ct%%:*}))
    [ $((_cn & _cm)) -eq $_ct ] || continue
    _cx=$(((_cm & 255) << 24 | (_cm >> 8 & 255) << 16 | (_cm >> 16 & 255) << 8 | _cm >> 24))
    if [ $_cx -gt $_cl ]; then _cl=$_cx _ch=\${_ce%%:*}
    elif [ $_cx -eq $_cl ]; then case " $_ch " in *" \${_ce%%:*} "*) ;; *) _ch="$_ch \${_ce%%:*}" ;; esac; fi
  done
  case $_ch in
  '') _cp="$_cp $_ci" ;;
  *' '*) for _cd in $_ch; do eval "[ -n \\"\\\${_c4_$_cd-}\\" ]" || { eval "_c4_$_cd=\\$_ci"; break; }; done ;;
  *) eval "_c4_$_ch=\\"\\\${_c4_$_ch:+\\$_c4_$_ch }\\$_ci\\"" ;;
  esac
done`;

/** Addresses that no route names go to the devices that have none, in order. */
const assignRest = (
  devices: readonly string[],
): string => `for _ci in $_cp; do for _cd in ${devices.join(' ')}; do
  eval "[ -n \\"\\\${_c4_$_cd-}\\" ]" || { eval "_c4_$_cd=\\$_ci"; break; }; done; done`;

/** Global IPv6 addresses, which /proc gives by device, in the form of RFC 5952. */
const readIPv6 = (
  proc: string,
): string => `[ ! -r ${proc}/if_inet6 ] || while read -r _ch _ci _cp _cs _cf _cd; do case $_cs:$_cd in 00:eth[0-9]*)
  _co=:
  while [ -n "$_ch" ]; do _ct=\${_ch#????} _cg=\${_ch%"$_ct"} _ch=$_ct
    while :; do case $_cg in 0?*) _cg=\${_cg#0} ;; *) break ;; esac; done
    _co=$_co$_cg:
  done
  for _cz in :0:0:0:0:0:0:0:0: :0:0:0:0:0:0:0: :0:0:0:0:0:0: :0:0:0:0:0: :0:0:0:0: :0:0:0: :0:0:; do
    case $_co in *"$_cz"*) _co="\${_co%%"$_cz"*}::\${_co#*"$_cz"}"; break ;; esac; done
  case $_co in ::*) ;; *) _co=\${_co#:} ;; esac
  case $_co in *::) ;; *) _co=\${_co%:} ;; esac
  eval "_c6_$_cd=\\"\\\${_c6_$_cd:+\\$_c6_$_cd }\\$_co\\"" ;;
esac; done <${proc}/if_inet6`;

function exportNetwork(network: string, device: string): string {
  const name = variableName(network);
  return `COSM_IPS="$COSM_IPS \${_c4_${device}-} \${_c6_${device}-}"
[ -z "\${_c4_${device}-}" ] || export COSM_IP_${name}="\${_c4_${device}%% *}"
[ -z "\${_c6_${device}-}" ] || export COSM_IP6_${name}="\${_c6_${device}%% *}"`;
}

/** Joins the addresses by single blanks and leaves none of our own variables behind. */
function finish(devices: readonly string[]): string {
  const ours = 'a b c d e f g h i l m n o p r s t x z 1 2 3 4'
    .split(' ')
    .map((name) => `_c${name}`);
  const perDevice = devices.flatMap((device) => [`_c4_${device}`, `_c6_${device}`]);
  return `_co=
for _ci in $COSM_IPS; do _co="\${_co:+$_co }$_ci"; done
if [ -n "$_co" ]; then export COSM_IPS="$_co" COSM_IP="\${_co%% *}"; else unset COSM_IPS; fi
unset ${[...ours, ...perDevice].join(' ')}`;
}

/** Shell text that exports the addresses of a task whose networks are these, in the order of eth0, eth1, … */
export function discoveryPrelude(networks: readonly string[], proc = '/proc/net'): string {
  const devices = networks.map((_, index) => `eth${index}`);
  return [
    readIPv4(proc),
    readRoutes(proc),
    assignIPv4,
    assignRest(devices),
    readIPv6(proc),
    'COSM_IPS=',
    ...networks.map((network, index) => exportNetwork(network, `eth${index}`)),
    finish(devices),
  ].join('\n');
}

/** A script that finds the variables set when it begins. */
export function withDiscovery(script: string, networks: readonly string[]): string {
  return networks.length === 0 ? script : `${discoveryPrelude(networks)}\n${script}`;
}

/** Program and arguments that find the variables set, the arguments untouched. */
export function argvWithDiscovery(
  argv: readonly string[],
  networks: readonly string[],
): readonly string[] {
  if (networks.length === 0) return argv;
  return ['/bin/sh', '-c', `${discoveryPrelude(networks)}\nexec "$@"`, 'sh', ...argv];
}
